"""The effects of the fully augmented data set."""

import pickle
from importlib.metadata import entry_points

import librosa
import numpy as np
import pyarrow as pa
import pytest
import soundfile

from streamaug.conditions import Step
from streamaug.effects import find_effect
from streamaug.effects.add import Add
from streamaug.effects.noise import Noise
from streamaug.effects.pitch import Pitch
from streamaug.effects.reverb_drc import ReverbDrc, compand, reverb_drc_2, simulate
from streamaug.effects.spectrum_correction import SpectrumCorrection
from streamaug.effects.speed import Speed
from streamaug.errors import ClipsError

RATE = 16_000
NAMES = ["add", "noise", "pitch", "reverb-drc-1", "reverb-drc-2", "reverb-drc-3", "spectrum-correction", "speed"]


def clip_of(number, label="park", split="train", device="a", segment=0):
    return {"clip_id": f"clip-{number}", "label": label, "split": split, "group": "lyon-1", "device": device, "segment": segment}


CLIPS = [clip_of(number, "park" if number < 4 else "tram", "train" if number % 4 < 2 else "evaluate") for number in range(8)]


def tone(hertz=500.0, level=0.2, seconds=1.0):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def load(clip_id):
    return np.random.default_rng(int(clip_id.split("-")[1])).uniform(-0.3, 0.3, RATE).astype(np.float32)


def fitted(effect, clips=CLIPS):
    return effect.fit(pa.Table.from_pylist(clips), load, RATE)


def test_every_effect_is_announced_under_the_name_of_its_condition():
    assert sorted(set(NAMES) & entry_points(group="streamaug.effects").names) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "spectrum-correction"])
def test_an_effect_keeps_the_length_differs_by_clip_and_repeats_itself_after_pickling(name):
    effect = fitted(find_effect(Step(name=name)))
    copy = pickle.loads(pickle.dumps(effect))  # as a build hands it to its processes
    signal = 0.003 * load("clip-100")  # soft, so that no effect reaches full scale and is scaled down
    first, again, other = (one.apply(signal, RATE, clip, load) for one, clip in ((effect, CLIPS[0]), (copy, CLIPS[0]), (effect, CLIPS[1])))
    assert first.shape == signal.shape
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.allclose(first, signal)
    assert copy.arguments == effect.arguments


def test_noise_has_a_hundredth_of_full_scale():
    assert Noise().apply(np.zeros(RATE, np.float32), RATE, CLIPS[0], load).std() == pytest.approx(0.01, rel=0.02)


def test_pitch_moves_a_tone_by_at_most_four_semitones_up_or_down():
    moved = []
    for number in range(30):
        shifted = Pitch().apply(tone(), RATE, clip_of(number), load)
        peak = np.argmax(np.abs(np.fft.rfft(shifted * np.hanning(len(shifted)))))
        moved.append(12 * np.log2(peak * RATE / len(shifted) / 500))
    assert -4.1 < min(moved) < -2
    assert 2 < max(moved) < 4.1


def test_speed_keeps_the_pitch_and_fills_the_length():
    for number in range(8):
        stretched = Speed().apply(tone(seconds=2), RATE, clip_of(number), load)
        peak = np.argmax(np.abs(np.fft.rfft(stretched * np.hanning(len(stretched))))) * RATE / len(stretched)
        assert peak == pytest.approx(500, abs=5)
        assert stretched[-RATE // 4 : -RATE // 8].std() > 0.05


def test_add_takes_a_mate_of_the_same_label_and_side_and_none_of_the_other():
    asked = []

    def listening(clip_id):
        asked.append(clip_id)
        return load(clip_id)

    effect = fitted(Add())
    for clip in CLIPS:
        effect.apply(tone(), RATE, clip, listening)
    assert asked == ["clip-1", "clip-0", "clip-3", "clip-2", "clip-5", "clip-4", "clip-7", "clip-6"]


def test_add_leaves_out_a_clip_without_a_mate():
    effect = fitted(Add(), [clip_of(0), clip_of(1), clip_of(2, "tram")])
    assert [effect.applies_to(clip) for clip in (clip_of(0), clip_of(2, "tram"))] == [True, False]


def test_add_is_a_weighted_sum():
    effect = fitted(Add(), [clip_of(0), clip_of(1)])
    signal, other = tone(), load("clip-1")
    added = effect.apply(signal, RATE, clip_of(0), load)
    weights, residue, *_ = np.linalg.lstsq(np.stack([signal, other], 1).astype(float), added.astype(float), rcond=None)
    assert residue < 1e-6
    assert ((weights >= 0.5) & (weights <= 1)).all()


def test_spectrum_correction_learns_what_the_other_devices_do_to_the_spectrum():
    clips = [clip_of(2 * number + (device == "b"), device=device, segment=number) for number in range(10) for device in "ab"]

    def two_devices(clip_id):
        number = int(clip_id.split("-")[1])
        recorded = load(f"clip-{number // 2}")
        return recorded if number % 2 == 0 else 0.5 * librosa.effects.preemphasis(recorded, coef=0.9)

    effect = SpectrumCorrection().fit(pa.Table.from_pylist(clips), two_devices, RATE)
    corrected = effect.apply(two_devices("clip-0"), RATE, clips[0], two_devices)
    spectra = [np.abs(librosa.stft(signal)).mean(1)[5:-5] for signal in (corrected, two_devices("clip-1"), two_devices("clip-0"))]
    decibels = [20 * np.log10(spectrum / spectra[1]) for spectrum in spectra]
    assert np.abs(decibels[0]).mean() < 0.7
    assert np.abs(decibels[2]).mean() > 5
    assert [effect.applies_to(clip) for clip in clips[:2]] == [True, False]


def test_spectrum_correction_listens_to_training_clips_only():
    clips = [clip_of(0), clip_of(1, device="b"), clip_of(2, split="evaluate"), clip_of(3, split="evaluate", device="c")]
    asked = set()
    SpectrumCorrection().fit(pa.Table.from_pylist(clips), lambda clip_id: asked.add(clip_id) or load(clip_id), RATE)
    assert asked == {"clip-0", "clip-1"}


@pytest.mark.parametrize("drop", [True, False])
def test_spectrum_correction_without_devices_is_refused(drop):
    table = pa.Table.from_pylist(CLIPS)
    with pytest.raises(ClipsError, match="spectrum-correction"):
        SpectrumCorrection().fit(table.drop_columns(["device"]) if drop else table, load, RATE)


def test_reverberation_is_aligned_to_the_peak_of_the_response(tmp_path):
    response = np.zeros(3000, np.float32)
    response[[1000, 2500]] = 1.0, 0.3
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    effect = fitted(ReverbDrc(1, tmp_path))
    click = np.zeros(RATE, np.float32)
    click[8000] = 0.5
    heard = np.abs(effect.apply(click, RATE, CLIPS[0], load))
    assert sorted(np.argsort(heard)[-2:]) == [8000, 9500]


def test_compression_raises_what_is_soft_more_than_what_is_loud():
    gains = [np.std(compand(tone(level=level, seconds=3), RATE, 2.0)[2 * RATE :]) / (level / np.sqrt(2)) for level in (0.001, 0.01, 0.1)]
    assert gains[0] > 2 * gains[1] > 4 * gains[2]


def test_the_simulated_sets_grow_more_reverberant():
    lengths = []
    for number in (1, 2, 3):
        decays = [np.cumsum(np.square(response[::-1]))[::-1] for response in simulate(number, RATE)]
        lengths.append(np.mean([np.argmax(decay < 1e-3 * decay[0]) for decay in decays]))
    assert lengths[0] < lengths[1] < lengths[2]


def test_a_folder_of_responses_is_named_by_the_environment_and_an_empty_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMAUG_RESPONSES", str(tmp_path))
    (tmp_path / "2").mkdir()
    with pytest.raises(ClipsError, match="no room responses"):
        fitted(reverb_drc_2())
    (tmp_path / "2" / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(ClipsError, match=r"broken\.wav: unreadable"):
        fitted(reverb_drc_2())


@pytest.mark.parametrize("name", NAMES)
def test_two_channels_are_changed_with_one_draw_and_one_gain(name):
    def load_stereo(clip_id):
        return np.stack([load(clip_id), load(clip_id)[::-1]])

    def applied(loads, signal):
        table = pa.Table.from_pylist([*CLIPS, clip_of(8, device="b")])
        effect = find_effect(Step(name=name)).fit(table, loads, RATE)
        return effect.apply(signal, RATE, CLIPS[0], loads)

    quiet = 0.01 * load_stereo("clip-100")
    stereo = applied(load_stereo, quiet)
    assert stereo.shape == quiet.shape
    assert stereo.dtype == np.float32
    if name not in ("noise", "spectrum-correction"):  # which draw, and measure, both channels together
        apart = [applied(lambda clip_id, side=side: load_stereo(clip_id)[side], quiet[side]) for side in (0, 1)]
        np.testing.assert_allclose(stereo, np.stack(apart), atol=1e-5)
    if name == "spectrum-correction":
        np.testing.assert_allclose(applied(load_stereo, quiet[[0, 0]])[0], applied(load_stereo, quiet[[0, 1]])[0], atol=1e-6)
    if name in ("noise", "add", "pitch", "speed"):  # these are scaled down, as a whole, if a channel would be clipped
        loud = np.stack([tone(level=0.999), tone(level=0.001)]) * np.float32(1.5)
        changed = applied(load_stereo, loud)
        assert np.abs(changed).max() <= 1
        if name in ("pitch", "speed"):
            assert np.abs(changed[0]).max() / np.abs(changed[1]).max() == pytest.approx(999, rel=0.02)
