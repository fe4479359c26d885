"""A store with neural codecs is built, verified, streamed and refused like any other."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from streamaug.codecs.neural.codec import file_digest
from streamaug.codecs.neural.config import VARIABLE
from streamaug.errors import PluginError
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.verifying.verify import verify
from tests.codecs.neural import tiny
from tests.codecs.neural.conftest import CONDITIONS, Trained
from tests.in_process import InProcess

MIXTURE = "draw: union\nmixture: {original: 1, tiny_8: 1, tiny-safe_16: 1, tiny_32+alaw_64: 1}\n"


def stream(store: Store, folder: Path, **settings) -> Stream:
    (folder / "recipe.yaml").write_text(MIXTURE)
    return Stream(load_recipe(folder / "recipe.yaml"), store, **{"batch_size": 5, "features": "waveform", "tail": "keep"} | settings)


def rows(batches: Iterator[dict]) -> list[tuple[str, str, bytes]]:
    return [
        (clip, condition, row.numpy().tobytes())
        for batch in batches
        for clip, condition, row in zip(batch["clip_id"], batch["condition"], batch["waveform"], strict=True)
    ]


def test_the_index_names_the_checkpoint_that_decodes(store: Store, trained: Trained) -> None:
    assert sorted(store.conditions) == sorted(CONDITIONS.split(","))
    meta = store.index("tiny_8").meta
    digest = file_digest(trained.folder / "tiny.ts")
    assert (meta.decoding.codec, meta.decoding.demuxer, meta.decoding.checkpoint) == ("tiny", None, digest)
    [step] = meta.steps
    assert (step.adapter, step.encoder, step.rate, step.arguments["checkpoint"]) == ("neural", "checkpoint", 16_000, digest)
    assert step.version == f"{digest[:16]}, torch {torch.__version__.partition('+')[0]}"
    safe = store.index("tiny-safe_16").meta.steps[0]
    assert safe.arguments["module"] == f"tiny_codec.Tiny {file_digest(trained.folder / 'tiny_codec.py')}"
    assert store.index("tiny_32+alaw_64").meta.decoding.checkpoint is None
    assert store.index("tiny-safe_16").column("kbps") == pytest.approx(16, rel=0.01)


def test_verify_decodes_it_and_finds_nothing_wrong(store: Store, named: None) -> None:
    assert verify(store, decode=True, executor=InProcess()).findings == ()


def test_processes_and_threads_give_the_same_bits_as_a_read(store: Store, tmp_path: Path, named: None) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # which the processes do not have
    try:
        by_processes = rows(iter(stream(store, tmp_path, workers=2)))
        by_threads = rows(iter(stream(store, tmp_path, threads=2)))
        read = [(clip, condition, store.read(condition, clip).samples.tobytes()) for clip, condition, _ in by_threads]
    finally:
        torch.set_num_threads(before)
    assert len(by_processes) == 16
    assert by_processes == by_threads == read


def test_a_stream_resumes_with_the_same_rows_on_other_workers(store: Store, tmp_path: Path, named: None) -> None:
    whole = stream(store, tmp_path, threads=1)
    expected = rows(iter(whole))
    first = stream(store, tmp_path, threads=1)
    begun = iter(first)
    served = rows([next(begun), next(begun)])
    state = json.loads(json.dumps(first.state_dict()))
    resumed = stream(store, tmp_path, workers=2)
    resumed.load_state_dict(state)
    assert served + rows(iter(resumed)) == expected


def test_the_feature_cache_keeps_its_rows(store: Store, tmp_path: Path, named: None) -> None:
    cold, warm = (stream(store, tmp_path, threads=1, features="logmel", feature_cache=tmp_path / "cache") for _ in range(2))
    first = [batch["logmel"].clone() for batch in cold]
    assert all(torch.equal(one, batch["logmel"]) for one, batch in zip(first, warm, strict=True))
    assert sum(cold.metrics.decoded_clips.values()) == 16
    assert sum(warm.metrics.decoded_clips.values()) == 0


def test_a_stream_says_which_checkpoint_it_lacks_and_finds_it_once_it_is_named(
    store: Store, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.jit.script(tiny.Tiny().eval()).save(tmp_path / "other.ts")
    (tmp_path / "other.yaml").write_text("neural: {tiny: {checkpoint: other.ts}}")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(PluginError, match="STREAMAUG_NEURAL is not set"):
        rows(iter(stream(store, tmp_path, workers=1)))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other.yaml"))
    with pytest.raises(PluginError, match=r"other\.ts"):
        rows(iter(stream(store, tmp_path, workers=1)))
    monkeypatch.setenv(VARIABLE, str(trained.path))
    assert len(rows(iter(stream(store, tmp_path, workers=1)))) == 16


def test_what_it_changes_is_less_than_what_it_keeps(store: Store, named: None) -> None:
    pairs = [[store.read(name, clip).samples for name in ("original", "tiny-safe_16")] for clip in store.clips["clip_id"].to_pylist()]
    changed = sum(np.square(original - decoded).sum() for original, decoded in pairs)
    assert changed < 0.5 * sum(np.square(original).sum() for original, _ in pairs)
