"""A codec, an effect and a feature from outside: one file and one entry-point line each."""

from streamaug.codecs import Decoding
from streamaug.store import Store
from tests.plugin.conftest import CONDITIONS

STREAM = """
import sys
from streamaug import Stream
for condition in sys.argv[2:]:
    batches = Stream.evaluation(sys.argv[1], condition, split="train", batch_size=4, features="waveform", threads=1)
    print(condition, sum(len(batch["clip_id"]) for batch in batches))
"""


def test_its_conditions_are_in_the_store_and_the_index_names_what_decodes_them(store):
    opened = Store.open(store)
    assert set(opened.conditions) == {"original", *CONDITIONS}
    footers = {name: opened.index(name).meta for name in CONDITIONS}
    assert footers["companded_64"].decoding == Decoding(codec="companded", demuxer=None)
    assert footers["companded_64"].extension == "cmp"
    [step] = footers["companded_64"].steps
    assert (step.adapter, step.encoder, step.version, step.rate) == ("plugin", "companded-numpy", "1", 8_000)
    assert step.arguments["mu"] == "255"
    assert footers["overdrive"].steps[0].arguments == {"gain": "2 to 8.0"}
    assert footers["companded_32+mp3_64"].steps[0].arguments["decoder"] == "1"
    assert footers["companded_32+mp3_64"].decoding == Decoding(codec="mp3", demuxer="mp3")


def test_verify_decodes_every_clip_and_finds_nothing_wrong(store, python):
    verified = python("-m", "streamaug", "verify", store, "--decode", "--workers", "1")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_stream_decodes_every_clip(store, python):
    streamed = python("-c", STREAM, store, *CONDITIONS)
    assert streamed.stdout.split("\n")[:-1] == [f"{name} 6" for name in CONDITIONS], streamed.stderr


def test_the_doctor_tries_it(python):
    tried = python("-m", "streamaug", "doctor", "--conditions", "overdrive+companded_64", "--rate", "16000")
    assert tried.returncode == 0, tried.stdout
    assert "effect overdrive (1), companded-numpy (1)" in tried.stdout
    assert "plug-in companded" in tried.stdout


def test_where_it_is_not_installed_reading_is_one_error_that_names_the_codec(store, python):
    missing = "codec 'companded' is decoded by a plug-in that is not installed; install the package that provides it"
    for workers in ("1", "2"):
        verified = python("-m", "streamaug", "verify", store, "--decode", "--workers", workers, plugin=False)
        assert verified.returncode != 0
        assert verified.stderr.strip().splitlines()[-1] == f"error: {missing}"
        assert "Traceback" not in verified.stderr
    streamed = python("-c", STREAM, store, "companded_64", plugin=False)
    assert f"PluginError: {missing}" in streamed.stderr


def test_where_it_is_not_installed_building_names_codec_or_effect(clips, python, tmp_path):
    for condition, message in (("companded_64", "no codec 'companded'"), ("overdrive", "no effect 'overdrive'")):
        built = python("-m", "streamaug", "build", clips, tmp_path / "store", "--conditions", condition, plugin=False)
        assert built.returncode != 0
        assert f"error: condition step '{condition}': {message}" in built.stderr


def test_its_feature_gives_shapes_without_torch_and_fills_a_row(python):
    program = """
import sys
from streamaug import plugins
feature = plugins.find(plugins.FEATURES, "energy")().at_rate(16_000)
assert feature.shape(160_000) == feature.stored_shape(160_000) == (1_000,)
assert "torch" not in sys.modules
import torch
row = torch.empty(feature.shape(160_000))
feature.expand(feature.compute(torch.full((160_000,), 0.1)), row)
assert torch.allclose(row, torch.full((1_000,), -20.0), atol=1e-3)
"""
    ran = python("-c", program)
    assert ran.returncode == 0, ran.stderr


def test_its_feature_is_streamed_by_name_and_cached(store, python, tmp_path):
    program = """
import sys, torch
from streamaug import Stream
def epoch():
    with Stream.evaluation(sys.argv[1], "original", split="train", batch_size=4, features="energy", feature_cache=sys.argv[2]) as stream:
        return torch.cat([batch["energy"].clone() for batch in stream]), dict(stream.metrics.decoded_clips)
(cold, decoded), (warm, nothing) = epoch(), epoch()
assert cold.shape[0] == 6 and torch.equal(cold, warm)
assert (decoded, nothing) == ({"original": 6}, {})
"""
    ran = python("-c", program, store, tmp_path / "cache")
    assert ran.returncode == 0, ran.stderr
