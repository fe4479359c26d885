"""The writer of a shard refuses an encoder whose clips are not aligned with their originals."""

from dataclasses import replace

import numpy as np
import pytest

from streamaug.building.chains import Chain, encode_clip
from streamaug.building.excerpts import Excerpt
from streamaug.building.recordings import Recording
from streamaug.building.tar_writer import TarWriter
from streamaug.codecs import calibrate, load_settings
from streamaug.conditions import Condition
from streamaug.errors import EncoderError
from tests.codecs.signals import noise

ALIGNED, SILENT = 0, None


def chain_with_delay(name: str, rate: int, error: int) -> Chain:
    """A condition whose delay is thought to be larger by `error` samples: its clips come early."""
    condition = Condition.parse(name)
    calibrated = calibrate(condition.steps[0], load_settings(), rate)
    return Chain(condition=condition, steps=(replace(calibrated, delay=calibrated.delay + error),), rate=rate)


def no_other_clip(clip_id: str) -> np.ndarray:
    raise AssertionError(clip_id)


def write(folder, name: str, errors, rate: int = 16_000) -> None:
    """A shard with one clip per entry of `errors`: what its delay is wrong by, or None for silence."""
    chains = {error: chain_with_delay(name, rate, error or 0) for error in {*errors}}
    tar = TarWriter(chains[errors[0]], 0, ["a"], folder / "shard.tar")
    for number, error in enumerate(errors):
        signal = noise(seed=number)  # pink at any rate
        signal = np.zeros_like(signal) if error is SILENT else signal
        clip = {"clip_id": f"clip{number}", "label": "a"}
        tar.chain = chains[error]
        [encoded] = encode_clip([tar.chain], signal, clip, load=no_other_clip)
        tar.add(Recording(clip=clip, excerpt=Excerpt(""), sha256=b""), encoded)
    tar.close()


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([2, 2, 2], "'clip0' by -2 samples, 'clip1' by -2 samples, 'clip2' by -2 samples"),
        ([SILENT, 40, 40, SILENT, 40], "'clip1' by -40 samples, 'clip2' by -40 samples, 'clip4' by -40 samples"),
        ([4, 5, 60, 7], "'clip0' by -4 samples, 'clip1' by -5 samples"),
        ([1] * 8, "'clip7' by -1 samples"),
    ],
)
def test_a_small_shard_without_an_aligned_clip_is_refused_if_its_clips_are_clearly_off(tmp_path, errors, message):
    with pytest.raises(EncoderError, match=f"condition 'mp3_64': decoded clips are not aligned with their originals: .*{message}"):
        write(tmp_path, "mp3_64", errors)


@pytest.mark.parametrize("errors", [[1] * 7, [2, 2], [2, 2, 3], [40, 40, ALIGNED, 40], [SILENT] * 3])
def test_what_may_be_chance_is_not_refused(tmp_path, errors):
    write(tmp_path, "mp3_64", errors)


def test_an_encoder_that_is_off_by_one_sample_of_its_own_is_not_refused_at_a_higher_rate(tmp_path):
    write(tmp_path, "amr-nb_4.75", [6] * 3, rate=44_100)
    with pytest.raises(EncoderError, match="not aligned"):
        write(tmp_path, "amr-nb_4.75", [20] * 3, rate=44_100)
