"""Features against librosa, which shares no code with them, and against what the specification says
of edges."""

import librosa
import numpy as np
import pytest
import soundfile
import torch
from torchaudio.functional import melscale_fbanks

from streamaug.features import LogMel, with_deltas


def specified(waveform: np.ndarray, rate: int = 44_100) -> np.ndarray:
    """The three channels in double precision, by librosa."""
    mel = librosa.feature.melspectrogram(
        y=waveform.astype(np.float64), sr=rate, n_fft=2048, hop_length=1024, window="hann", center=True, pad_mode="reflect",
        power=2.0, n_mels=128, fmin=0.0, fmax=rate / 2, htk=True, norm=None, dtype=np.float64,
    )  # fmt: skip
    logs = np.log(mel + 1e-8)
    static = (logs - logs.min()) / (logs.max() - logs.min())
    delta = librosa.feature.delta(static, width=5)
    second = librosa.feature.delta(delta[:, 2:-2], width=5)
    return np.stack([static[:, 4:-4], delta[:, 4:-4], second[:, 2:-2]])


def chirp(rate: int, seconds: float = 10.0) -> np.ndarray:
    time = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(5).standard_normal(len(time))
    return (0.4 * np.sin(2 * np.pi * (200 + 600 * time) * time) + 0.01 * noise).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_static_and_delta_channels_are_librosas(rate: int) -> None:
    waveform = chirp(rate)
    ours = with_deltas(LogMel(rate=rate)(torch.from_numpy(waveform))).numpy()
    theirs = specified(waveform, rate)
    for channel in range(3):
        assert np.abs(ours[channel] - theirs[channel]).max() < 1e-4 * np.abs(theirs[channel]).max()


def test_real_recordings_give_librosas_features(shared_data) -> None:
    for path in sorted((shared_data / "esc10" / "audio").iterdir())[:4]:
        waveform, rate = soundfile.read(path, dtype="float32")
        ours = with_deltas(LogMel(rate=rate)(torch.from_numpy(waveform))).numpy()
        theirs = specified(waveform, rate)
        for channel in range(3):
            assert np.abs(ours[channel] - theirs[channel]).max() < 1e-4 * np.abs(theirs[channel]).max()


def test_ten_seconds_give_the_shapes_of_the_paper() -> None:
    static = LogMel(rate=44_100)(torch.from_numpy(chirp(44_100)))
    assert static.shape == (128, 431)
    assert static.dtype == torch.float32
    assert with_deltas(static).shape == (3, 128, 423)


def test_features_lie_between_zero_and_one_and_reach_both() -> None:
    static = LogMel(rate=44_100)(torch.from_numpy(chirp(44_100)))
    assert (static.min(), static.max()) == (0.0, 1.0)


def test_silence_and_a_constant_give_zeros_and_no_nan() -> None:
    assert LogMel(rate=44_100)(torch.zeros(44_100)).count_nonzero() == 0
    assert torch.isfinite(LogMel(rate=44_100)(torch.full((44_100,), 0.25))).all()


def test_each_clip_of_a_batch_is_scaled_on_its_own() -> None:
    clips = torch.from_numpy(np.stack([chirp(16_000), 0.01 * chirp(16_000)])).reshape(2, 1, -1)
    module = LogMel(rate=16_000)
    together = module(clips)
    assert together.shape == (2, 1, 128, 157)
    assert torch.allclose(together[1, 0], module(clips[1, 0]), atol=1e-6)
    assert (together.amax((-2, -1)) == 1).all()


def test_the_filterbank_is_torchaudios_within_its_rounding() -> None:
    theirs = melscale_fbanks(1025, 0.0, 22_050.0, 128, 44_100, norm=None, mel_scale="htk")
    assert torch.allclose(LogMel(rate=44_100).transform.filters.float(), theirs, atol=1e-4)


def test_too_short_a_clip_is_refused_with_the_length_it_needs() -> None:
    with pytest.raises(ValueError, match="more than 1024"):
        LogMel(rate=44_100)(torch.zeros(1024))
    with pytest.raises(ValueError, match="more than 8"):
        with_deltas(torch.zeros(128, 8))


def test_deltas_go_where_they_are_told_and_leave_their_input_alone() -> None:
    static = LogMel(rate=44_100)(torch.from_numpy(chirp(44_100)))
    before = static.clone()
    out = torch.full((2, 3, 128, 423), torch.nan)
    with_deltas(static, out=out[1])
    assert torch.equal(out[1], with_deltas(static))
    assert out[0].isnan().all()
    assert torch.equal(static, before)
