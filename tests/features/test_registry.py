"""What `Stream(features=...)` takes, and what it refuses."""

import pytest
import torch
from torch import nn

from streamaug.errors import FeatureError, PluginError
from streamaug.features import LogMel
from streamaug.features.base import cache_text
from streamaug.features.function import FunctionFeature
from streamaug.features.lengths import Lengths, last_axis
from streamaug.features.registry import open_features

RATE, SAMPLES = 16_000, 16_000


def opened(features, shortest=SAMPLES, longest=SAMPLES):
    return open_features(features, rate=RATE, lengths=Lengths(shortest=shortest, longest=longest, clip="short"))


def energy(waveform: torch.Tensor) -> torch.Tensor:
    return waveform.square().unfold(0, 400, 200).mean(-1)


def test_a_misspelt_name_is_answered_with_the_nearest_one():
    with pytest.raises(PluginError, match="Did you mean 'logmel'"):
        opened("logmell")


def test_log_mel_takes_the_streams_rate_and_refuses_another():
    assert opened(LogMel(mels=64))["logmel"].settings.startswith("logmel rate=16000 n_fft=2048 hop=1024 mels=64")
    with pytest.raises(
        FeatureError, match=r"does not fit clips at 16000 Hz; write LogMel\(\) without a rate, or Stream\(..., rate=44100\)"
    ):
        opened(LogMel(rate=44_100))


def test_log_mel_outside_a_stream_needs_a_rate():
    with pytest.raises(ValueError, match="write LogMel"):
        LogMel()(torch.zeros(RATE))


def test_clips_that_are_too_short_for_a_feature_are_refused_with_the_length_it_needs():
    with pytest.raises(FeatureError, match="needs 8192 samples or more"):
        opened("logmel", 8_000, 8_000)


def test_the_shortest_clip_is_named_if_it_is_too_short_for_a_feature():
    with pytest.raises(FeatureError, match=r"8192 samples or more; the shortest is clip 'short'; fill short clips up with crop=Crop\(sec"):
        opened("logmel", 8_000)


def test_only_the_last_axis_may_depend_on_the_length():
    opened(lambda waveform: waveform.unfold(0, 400, 200).T, 8_000)
    with pytest.raises(FeatureError, match=r"gives \(39, 400\) for 8000 samples and \(79, 400\) for 16000, but only the last axis"):
        opened(lambda waveform: waveform.unfold(0, 400, 200), 8_000)


@pytest.mark.parametrize(
    ("feature", "axis"),
    [
        ("logmel", "frames"),
        ("waveform", "samples"),
        (lambda waveform: waveform * 2, "samples"),
        (energy, "frames"),
        (lambda waveform: waveform[:100], "fixed"),
        (lambda waveform: waveform.mean(), "fixed"),
        (nn.Sequential(nn.Unflatten(0, (1, -1)), nn.AdaptiveAvgPool1d(7)), "fixed"),
        (nn.Linear(SAMPLES, 3), "fixed"),
    ],
)
def test_what_the_last_axis_counts_is_known_from_clips_of_one_length(feature, axis):
    (fitted,) = opened(feature).values()
    assert last_axis(fitted, RATE, Lengths(shortest=SAMPLES, longest=SAMPLES, clip="a")) == axis


def test_settings_of_log_mel_change_the_shape_and_the_cache_key():
    default, other = LogMel(rate=RATE), LogMel(rate=RATE, n_fft=512, hop=160, mels=40, normalize="none", deltas=False)
    assert other.shape(SAMPLES) == (40, 101) == tuple(other(torch.randn(SAMPLES)).shape)
    assert cache_text(default) != cache_text(other)
    assert cache_text(LogMel(rate=RATE, deltas=False)) == cache_text(default)  # the stored form is the same


def test_without_normalisation_log_mel_gives_the_logarithms_that_minmax_scales():
    wave = 0.1 * torch.randn(SAMPLES, generator=torch.Generator().manual_seed(1))
    logs, scaled = LogMel(rate=RATE, normalize="none")(wave), LogMel(rate=RATE)(wave)
    torch.testing.assert_close((logs - logs.min()) / (logs.max() - logs.min()), scaled)


def test_a_mapping_names_several_features():
    assert list(opened({"mel": "static", "energy": energy, "sound": "waveform"})) == ["mel", "energy", "sound"]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "names no feature"),
        ({"label": "waveform"}, "cannot be called 'label'"),
        (["logmel", "waveform"], "write a mapping"),
        (LogMel, r"write features=LogMel\(\)"),
        (7, "write a name such as 'logmel'"),
        (lambda waveform: waveform.tolist(), "must give one real tensor"),
        (torch.fft.rfft, "a complex tensor"),
        (lambda waveform: waveform + torch.rand(1), "other numbers for the same waveform"),
        (lambda waveform: waveform[:0], r"gives \(0,\)"),
    ],
)
def test_what_is_no_feature_is_refused_with_what_to_write(features, message):
    with pytest.raises(FeatureError, match=message):
        opened(features)


def conv(weight: float, stride: int = 2) -> nn.Module:
    module = nn.Conv1d(1, 1, 3, stride=stride)
    with torch.no_grad():
        module.weight.fill_(weight)
        module.bias.fill_(0)
    return nn.Sequential(nn.Unflatten(0, (1, -1)), module)


def test_the_cache_key_of_a_module_changes_with_its_settings_and_weights():
    keys = [FunctionFeature(module).settings for module in (conv(1.0), conv(1.5), conv(1.0, stride=3))]
    assert len(set(keys)) == 3
    assert FunctionFeature(conv(1.0)).settings == keys[0]


def test_a_buffer_that_is_not_saved_counts_too():
    from torchaudio.transforms import Spectrogram

    one, two = Spectrogram(n_fft=64), Spectrogram(n_fft=64)
    two.window[1] = 7.0
    assert FunctionFeature(one).settings != FunctionFeature(two).settings


class Own(nn.Module):
    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return waveform * 2


def test_the_code_of_a_users_own_module_is_not_in_the_key_so_it_needs_one():
    with pytest.raises(FeatureError, match="the code of Own belongs to no installed package"):
        _ = FunctionFeature(Own()).settings
    keyed = Own()
    keyed.cache_key = "twice 1"
    assert FunctionFeature(keyed).settings.endswith("twice 1")


def test_a_feature_that_works_in_place_leaves_the_others_alone():
    from streamaug.streaming.decode import _write

    waveform = torch.ones(SAMPLES)
    _write(FunctionFeature(lambda wave: wave.mul_(0)[:4]), waveform, torch.empty(4), is_exact=True, is_cached=False)
    assert waveform.min() == 1


def test_an_odd_window_gives_the_frames_that_are_promised():
    odd = LogMel(rate=RATE, n_fft=401, hop=160, deltas=False)
    assert odd.shape(SAMPLES) == tuple(odd(torch.randn(SAMPLES)).shape)


def test_a_plain_callable_needs_a_cache_key_for_a_cache():
    with pytest.raises(FeatureError, match="give it an attribute cache_key"):
        _ = FunctionFeature(energy).settings
    keyed = FunctionFeature(lambda waveform: waveform)
    keyed.function.cache_key = "identity 1"
    assert keyed.settings.endswith("identity 1")


def test_a_module_with_a_part_that_has_no_text_needs_a_cache_key_too():
    module = conv(1.0)
    module.after = lambda waveform: waveform
    with pytest.raises(FeatureError, match="attribute 'after'"):
        _ = FunctionFeature(module).settings


def test_two_settings_of_a_torchaudio_transform_have_two_keys():
    from torchaudio.transforms import MelSpectrogram

    one, two = (FunctionFeature(MelSpectrogram(RATE, n_mels=mels)) for mels in (40, 41))
    again = FunctionFeature(MelSpectrogram(RATE, n_mels=40))
    assert one.settings == again.settings != two.settings


def test_shapes_are_known_without_importing_torch():
    import subprocess
    import sys

    code = (
        "import sys; from streamaug.features.registry import open_features\n"
        "from streamaug.features.lengths import Lengths\n"
        "lengths = Lengths(shortest=441000, longest=441000, clip='a')\n"
        "print([f.shape(441000) for f in open_features({'a': 'logmel', 'b': 'waveform'}, rate=44100, lengths=lengths).values()])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[(3, 128, 423), (441000,)]"


def test_a_feature_of_two_channels_is_that_of_each_and_has_settings_of_its_own():
    lengths = Lengths(shortest=SAMPLES, longest=SAMPLES, clip="a")
    sound = torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(1))
    asked = {"mel": "logmel", "sound": "waveform", "energy": energy}
    mono, stereo = (open_features(asked, rate=RATE, lengths=lengths, channels=channels) for channels in (1, 2))
    for name, one in mono.items():
        both = stereo[name]
        assert both.shape(SAMPLES) == (2, *one.shape(SAMPLES))
        assert both.stored_shape(SAMPLES) == (2, *one.stored_shape(SAMPLES))
        rows = torch.zeros(both.shape(SAMPLES))
        both.expand(both.compute(sound), rows)
        for channel, row in zip(sound, rows, strict=True):
            expected = torch.zeros(one.shape(SAMPLES))
            one.expand(one.compute(channel), expected)
            torch.testing.assert_close(row, expected)
    assert cache_text(stereo["mel"]) == f"{mono['mel'].settings} channels=2 version=2"
