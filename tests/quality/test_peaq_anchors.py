"""Every number that the specification prints for a part of the model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from streamaug.quality.peaq.bands import bands, grouped
from streamaug.quality.peaq.detection import step_size
from streamaug.quality.peaq.ear import FULL_SCALE, RATE, calibrated_window, ear_weights, framed, power_spectra
from streamaug.quality.peaq.excitation import adaptation_constants, flat_spread, smearing_constants, spread
from streamaug.quality.peaq.network import VARIABLES, distortion_index, objective_difference_grade


def test_a_full_scale_sine_has_92_db_at_line_43():
    sine = FULL_SCALE * np.sin(2 * np.pi * 1019.5 / RATE * np.arange(2048))
    power = power_spectra(framed(sine))[0]
    assert power.argmax() == 43
    assert_allclose(10 * np.log10(power.max()), 92.0, atol=5e-5)
    assert_allclose(calibrated_window().max(), 2.79394328766e-3, rtol=1e-5)  # gain; the symmetric window peaks between two samples


def test_ear_weights():
    lines = [1, 43, 141, 427, 1024]
    assert_allclose(10 * np.log10(ear_weights()[lines]), [-43.97656, -1.89362, 5.58662, -4.33820, -93.23127], atol=5e-6)
    assert ear_weights()[0] == 0


def test_band_centres_and_internal_noise():
    assert bands().centre.shape == (109,)
    assert_allclose(bands().centre[[0, 1, 54, 108]], [91.7081015, 115.215781, 2532.45649, 17690.0436], rtol=1e-8)
    assert_allclose(bands().noise[[0, 54, 108]], [9.65037495, 1.17283072, 1.03423931], rtol=1e-8)
    assert_allclose([bands().lower[0], bands().upper[-1]], [80.0, 18000.0], rtol=1e-12)
    assert_allclose([bands().lower[66], bands().centre[100]], [3853.347, 13296.848], atol=3e-3)  # misprinted in the printed table
    assert_allclose(bands().upper[[28, 70]], [933.119, 4616.481], atol=3e-3)


def test_each_band_takes_its_part_of_each_line():
    weights = bands().weights
    assert np.flatnonzero(weights[:, 0]).tolist() == [3, 4]
    assert_allclose(weights[3:5, 0], [0.0866667, 0.9136724], atol=5e-8)
    assert np.flatnonzero(weights[:, 54]).tolist() == [106, 107, 108, 109, 110]
    assert_allclose(weights[106:111, 54], [0.4234337, 1, 1, 1, 0.5608438], atol=5e-8)
    assert_allclose(weights[:, 108].sum(), 26.2221869, rtol=1e-8)
    assert_allclose(grouped(np.zeros(1025)), 1e-12)


def test_spreading_of_a_flat_pattern():
    assert_allclose(flat_spread()[[0, 1, 54, 107, 108]], [4.87400745, 8.13679964, 14.3926808, 9.47842264, 5.96433772], rtol=1e-8)


def test_spreading_of_digital_silence_and_of_one_loud_band():
    silence = bands().noise.copy()
    assert_allclose(spread(silence)[[0, 54, 108]], [6.99443089, 1.18136556, 1.03790060], rtol=1e-8)
    silence[40] = 1e6
    assert_allclose(spread(silence)[39:42], [6999.87185, 31886.6759, 16104.8029], rtol=1e-8)


def test_time_constants():
    assert_allclose(smearing_constants()[[0, 54, 108]], [0.513301109, 0.0902242074, 0.0723784517], rtol=1e-8)
    assert_allclose(adaptation_constants()[[0, 54, 108]], [0.672637364, 0.109835694, 0.0750345114], rtol=1e-8)


def test_step_sizes():
    levels = np.array([10.0, 40.0, 60.0, 80.0])
    assert_allclose(step_size(levels), [3.02024256, 0.94413868, 0.63643225, 0.31775026], rtol=1e-7)
    assert step_size(np.array([0.0, -3.0])).tolist() == [1e30, 1e30]


SMALLEST = [393.916656, 361.965332, -24.045116, 1.110661, -0.206623, 0.074318, 1.113683, 0.950345, 0.029985, 0.000101, 0]
LARGEST = [921, 881.131226, 16.212030, 107.137772, 2.886017, 13.933351, 63.257874, 1145.018555, 14.819740, 1, 1]


@pytest.mark.parametrize(
    ("share", "di", "odg"), [(0, 2.56941513, -0.07875834), (1, -4.12058769, -3.91290245), (0.5, -3.69443186, -3.87811442)]
)
def test_network(share: float, di: float, odg: float):
    values = np.array(SMALLEST) + share * (np.array(LARGEST) - np.array(SMALLEST))
    got = distortion_index(dict(zip(VARIABLES, values.tolist(), strict=True)))
    assert_allclose([got, objective_difference_grade(got)], [di, odg], atol=5e-9)


CONFORMANCE = """acodsna 1.304 -0.676, bcodtri 1.949 -0.304, ccodsax 0.048 -1.829, ecodsmg 1.731 -0.412,
fcodsb1 0.677 -1.195, fcodtr1 1.419 -0.598, fcodtr2 -0.045 -1.927, fcodtr3 -0.715 -2.601,
gcodcla 1.781 -0.386, icodsna -3.029 -3.786, kcodsme 3.093 0.038, lcodhrp 1.041 -0.876,
lcodpip 1.973 -0.293, mcodcla -0.436 -2.331, ncodsfe 3.135 0.045, scodclv 1.689 -0.435"""


@pytest.mark.parametrize("item", [item.strip() for item in CONFORMANCE.split(",")])
def test_grades_of_the_recommendations_conformance_table_follow_from_their_distortion_indexes(item: str):
    name, di, odg = item.split()
    assert_allclose(objective_difference_grade(float(di)), float(odg), atol=1e-3, err_msg=name)
