"""Clips of any length: what a batch of them has, and that it does not depend on who makes it."""

import math
import os
import shutil
import threading
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.compute as pc
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import FeatureError
from streamaug.features import LogMel
from streamaug.planning.open_plan import open_plan
from streamaug.planning.padding import measure_padding
from streamaug.planning.sequential import PlanLike
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from streamaug.store.location import Location
from streamaug.streaming import Cache, Stream
from streamaug.streaming.buffers import Buffers
from tests.in_process import InProcess
from tests.streaming.conftest import write_recipe
from tests.streaming.test_stream import pairs, same

RATE = 8_000
MEL = LogMel(n_fft=256, hop=80, mels=20, deltas=False)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Each training clip once in each condition an epoch: 54 rows."""
    return write_recipe(tmp_path / "recipe.yaml", "draw: union\nmixture: {original: 1, alaw_64: 1, mp3_24: 1}\n")


def stream(recipe: Recipe | dict, store: Store, **settings) -> Stream:
    return Stream(recipe, store, **{"batch_size": 8, "features": "waveform", "tail": "keep", "workers": 2, **settings})


def energy(waveform: torch.Tensor) -> torch.Tensor:
    """One value per 20 ms, and the part of a block that is left."""
    blocks = torch.nn.functional.pad(waveform, (0, -len(waveform) % 160)).reshape(-1, 160)
    return blocks.square().mean(1)


energy.cache_key = "energy 1"


def spectrum(waveform: torch.Tensor) -> torch.Tensor:
    """As many numbers for a clip of any length."""
    return torch.fft.rfft(waveform, 64).abs()


def test_rows_are_the_decoded_clips_and_zeros_after_them(varied: Store, recipe: Recipe) -> None:
    for batch in stream(recipe, varied):
        sounds = [varied.read(condition, clip).samples for clip, condition in pairs([batch])]
        assert batch["length"].tolist() == [len(sound) for sound in sounds]
        assert batch["length"].dtype == torch.int64
        assert batch["waveform"].shape == (len(sounds), max(map(len, sounds)))
        for row, sound in zip(batch["waveform"], sounds, strict=True):
            assert np.array_equal(row[: len(sound)], sound)
            assert not row[len(sound) :].any()
        assert "frames" not in batch


@pytest.mark.parametrize("tail", ["drop", "keep"])
def test_buckets_save_the_padding_that_the_plan_promises(varied: Store, tail: str) -> None:
    recipe = {"draw": "union", "shuffle": {"bucket": 24, "batch": 8}, "mixture": {"original": 1, "alaw_64": 1, "mp3_24": 1}}
    bucketed, shuffled = (stream(each, varied, tail=tail) for each in (recipe, recipe | {"shuffle": "full"}))
    served, full = ([batch for batch in each if len(batch["length"]) == 8] for each in (bucketed, shuffled))
    padding = measure_padding(open_plan(load_recipe(recipe), varied), 0)
    for batches, promised in ((served, padding.bucketed), (full, padding.shuffled)):
        assert sum(batch["waveform"].numel() - int(batch["length"].sum()) for batch in batches) == promised
    assert padding.bucketed < padding.shuffled / 2
    rows = [sorted((clip, condition) for batch in each for clip, condition in pairs([batch])) for each in (served, full)]
    assert rows[0] == rows[1]


def test_features_are_computed_of_each_clips_own_samples(varied: Store, recipe: Recipe) -> None:
    features = {"mel": MEL, "energy": energy, "spectrum": spectrum, "sound": "waveform"}
    functions = {"mel": LogMel(rate=RATE, n_fft=256, hop=80, mels=20, deltas=False), "energy": energy, "spectrum": spectrum}
    for batch in stream(recipe, varied, features=features):
        assert set(batch["frames"]) == {"mel", "energy"}
        for row, length in enumerate(batch["length"].tolist()):
            sound = batch["sound"][row, :length]
            for name, function in functions.items():
                expected, whole = function(sound), batch[name][row]
                torch.testing.assert_close(whole[..., : expected.shape[-1]], expected, rtol=0, atol=0)
                assert not whole[..., expected.shape[-1] :].any()
                assert name == "spectrum" or batch["frames"][name][row] == expected.shape[-1]
        for name, frames in batch["frames"].items():
            assert batch[name].shape[-1] == frames.max()
        assert batch["spectrum"].shape[1:] == (33,)


def test_a_single_feature_has_its_frames_in_one_tensor(varied: Store, recipe: Recipe) -> None:
    for batch in stream(recipe, varied, features=MEL):
        assert batch["frames"].tolist() == [MEL.frames(length) for length in batch["length"].tolist()]


@pytest.mark.parametrize("settings", [{"workers": None}, {"threads": 3}])
@pytest.mark.parametrize("loaders", [0, 3])
def test_workers_do_not_change_a_bit(varied: Store, recipe: Recipe, settings: dict, loaders: int) -> None:
    expected = list(stream(recipe, varied, features={"mel": MEL, "energy": energy}))
    other = Stream(recipe, varied, batch_size=8, tail="keep", features={"mel": MEL, "energy": energy}, **settings)
    for batch, again in zip(expected, DataLoader(other, batch_size=None, num_workers=loaders), strict=True):
        assert same(batch, again)


def test_ranks_fill_up_their_own_rows(varied: Store, recipe: Recipe) -> None:
    whole = list(stream(recipe, varied))
    for rank in range(2):
        for batch, part in zip(whole, stream(recipe, varied, rank=rank, world=2), strict=True):
            rows = [batch["position"].tolist().index(position) for position in part["position"].tolist()]
            longest = max(part["length"].tolist())
            assert torch.equal(part["waveform"], batch["waveform"][rows, :longest])
            assert torch.equal(part["length"], batch["length"][rows])


def test_views_of_a_clip_have_its_length(varied: Store) -> None:
    recipe = {"draw": "views", "views": 2, "mixture": {"original": 1, "alaw_64": 1, "mp3_24": 1}}
    for batch in stream(recipe, varied, features=MEL):
        assert batch["static"].shape[:2] == (len(batch["clip_id"]), 2)
        assert batch["length"].shape == batch["frames"].shape == (len(batch["clip_id"]),)
        for row, frames in enumerate(batch["frames"].tolist()):
            assert batch["static"][row, :, :, frames - 1].any()
            assert not batch["static"][row, :, :, frames:].any()


def test_a_warm_cache_gives_the_bits_of_the_epoch_that_filled_it(varied: Store, recipe: Recipe, tmp_path: Path) -> None:
    settings = {"features": {"mel": MEL, "energy": energy, "sound": "waveform"}, "feature_cache": Cache(folder=tmp_path, bound=1 << 24)}
    cold = list(stream(recipe, varied, **settings))
    warm = stream(recipe, varied, **settings)
    for batch, again in zip(cold, warm, strict=True):
        assert same(batch, again)
    assert not warm.metrics.decoded_clips


def test_clips_that_differ_by_silence_at_the_end_have_their_own_cache_entries(tmp_path: Path) -> None:
    """A codec without a header fills the last block up with zeros, so that both have the same
    bitstream."""
    sound = np.random.default_rng(0).normal(0, 0.1, 4000)
    for name, end in (("short", 0), ("long", 7)):
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate([sound, np.zeros(end)]), RATE)
    (tmp_path / "clips.csv").write_text("path,label,split\nshort.wav,a,train\nlong.wav,a,train\n")
    build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=parse_conditions("original,aac_24"), executor=InProcess())
    store = Store.open(tmp_path / "store")
    assert len({bytes(row) for row in store.locations("aac_24").sha256}) == 1
    for _ in range(2):
        (batch,) = Stream.evaluation(store, "aac_24", split="train", features="waveform", feature_cache=tmp_path / "cache")
        assert dict(zip(batch["clip_id"], batch["length"].tolist(), strict=True)) == {"short": 4000, "long": 4007}
        for clip, length, row in zip(batch["clip_id"], batch["length"].tolist(), batch["waveform"], strict=True):
            assert np.array_equal(row[:length], store.read("aac_24", clip).samples)


def test_a_remote_store_gives_the_same_rows(varied: Store, recipe: Recipe) -> None:
    remote = fsspec.filesystem("memory")
    remote.put(varied.url, "/varied-store", recursive=True)
    try:
        assert all(map(same, stream(recipe, "memory://varied-store"), stream(recipe, varied)))
    finally:
        remote.rm("/varied-store", recursive=True)


def broken_row(varied: Store, folder: Path) -> tuple[Store, PlanLike, int, Location]:
    """A copy of a store in which a clip is broken, a plan of its originals, the even row of the
    broken clip, and where it is: the clip that stands in for it is longer than it and the next row."""
    shutil.copytree(varied.url, folder / "broken")
    store = Store.open(folder / "broken")
    plan = stream({"draw": "union", "mixture": {"original": 1}}, store).plan
    samples, labels = store.clips["samples"].to_numpy(), np.array(store.clips["label"].to_pylist())
    order = plan.rows(0, range(plan.epoch_size(0))).clip
    row = next(
        row
        for row in range(0, len(order) - 3, 2)
        if samples[next(clip for clip in order[row + 1 :] if labels[clip] == labels[order[row]])] > samples[order[row : row + 2]].max()
    )
    location = store.location("original", store.clips["clip_id"][int(order[row])].as_py())
    with (folder / "broken" / location.shard).open("r+b") as file:
        file.seek(location.offset + 30)
        file.write(bytes(40))
    return store, plan, row, location


def test_a_substitute_may_be_longer_than_all_rows_of_its_batch(varied: Store, tmp_path: Path) -> None:
    store, plan, row, location = broken_row(varied, tmp_path)
    features = {"sound": "waveform", "mel": MEL, "energy": energy}
    with stream(plan, store, batch_size=2, features=features, on_corrupt="replace") as running:
        batch = list(running)[row // 2]
    assert batch["replaced"] == [location.clip_id, None]
    assert batch["length"][0] > batch["length"][1]
    for clip, length, sound in zip(batch["clip_id"], batch["length"].tolist(), batch["sound"], strict=True):
        assert np.array_equal(sound[:length], store.read("original", clip).samples)
        assert not sound[length:].any()
    for name in ("mel", "energy"):
        assert batch[name].shape[-1] == batch["frames"][name].max()


def test_a_clip_that_is_too_short_for_a_feature_is_named_when_the_stream_is_opened(varied: Store, recipe: Recipe) -> None:
    clips = varied.clips.filter(pc.equal(varied.clips["split"], "train"))
    shortest = clips["clip_id"][int(np.argmin(clips["samples"].to_numpy()))].as_py()
    with pytest.raises(FeatureError, match=rf"needs 8192 samples.*; the shortest is clip '{shortest}'; fill short clips up with crop="):
        stream(recipe, varied, features="logmel")


def test_a_function_whose_size_depends_on_the_sound_is_refused(varied: Store, recipe: Recipe) -> None:
    def trimmed(waveform: torch.Tensor) -> torch.Tensor:
        return waveform[waveform.abs().cumsum(0) > 0.5]

    with pytest.raises(FeatureError, match="its shape may depend on the number of samples alone"):
        list(stream(recipe, varied, features=trimmed))


def test_provenance_has_the_bitrate_of_each_clip(varied: Store, recipe: Recipe) -> None:
    for batch in stream(recipe, varied, provenance=True):
        for made, length in zip(batch["provenance"], batch["length"].tolist(), strict=True):
            index = varied.index(made["condition"])
            row = [digest.hex()[:32] for digest in index.table["sha256"].to_pylist()].index(made["sha256"])
            assert made["kbps"] == pytest.approx(index.column("kbps")[row], abs=1e-3)
            assert index.column("samples")[row] == length


def test_a_dataset_has_the_clips_as_they_are(varied: Store) -> None:
    for item in varied.dataset("mp3_24", features={"sound": "waveform", "mel": MEL}):
        sound = varied.read("mp3_24", item["clip_id"]).samples
        assert np.array_equal(item["sound"], sound)
        assert item["mel"].shape == (20, MEL.frames(len(sound)))


@pytest.mark.parametrize("features", [MEL, {"mel": MEL, "sound": "waveform"}])
def test_a_device_gets_lengths_and_frames_too(varied: Store, recipe: Recipe, features) -> None:
    for batch in stream(recipe, varied, features=features, device="meta"):
        frames = batch["frames"].values() if isinstance(batch["frames"], dict) else [batch["frames"]]
        assert {tensor.device.type for tensor in (batch["length"], *frames)} == {"meta"}


def test_memory_for_batches_of_many_shapes_does_not_grow_over_epochs(varied: Store, recipe: Recipe) -> None:
    with stream(recipe, varied, batch_size=6, features={"sound": "waveform", "mel": MEL}) as running:
        buffers: Buffers = running._pipeline()._workers._buffers
        made: list[int] = []
        fresh = buffers._fresh
        buffers._fresh = lambda count: made.append(count) or fresh(count)
        shapes = {tuple(batch["sound"].shape) for _ in range(4) for batch in running}
        before = len(made)
        shapes |= {tuple(batch["sound"].shape) for _ in range(12) for batch in running}
        assert len(shapes) > 5
        assert len(set(made)) <= 2 * 6  # of each feature: four per octave
        assert len(made) <= before + 4  # more of a size than before were in use together


@pytest.mark.parametrize("seed", range(3))
def test_memory_for_any_shapes_is_bounded_by_what_is_in_use_together(seed: int) -> None:
    rng, made = np.random.default_rng(seed), []
    buffers = Buffers(lambda count: made.append(count) or np.empty(count, np.float32))
    held: list[torch.Tensor] = []
    for _ in range(3000):
        shape = (4, int(rng.integers(1, 20_000)))
        held.append(buffers.take(shape))
        assert held[-1].shape == shape
        assert held[-1].is_contiguous()
        del held[: max(0, len(held) - 3)]
    assert len(made) <= 3 * 4 * math.ceil(math.log2(80_000))  # three of each size that there is
    assert sum(made) <= 3 * 80_000 * 1.25 * 7


def test_a_module_of_a_users_own_never_runs_in_the_training_loops_thread(varied: Store, recipe: Recipe) -> None:
    threads: list[tuple[int, int]] = []

    def traced(waveform: torch.Tensor) -> torch.Tensor:
        threads.append((os.getpid(), threading.get_ident()))
        return energy(waveform)

    one = stream(recipe, varied, batch_size=4, features=traced)
    threads.clear()  # of opening the stream, which tries the module
    assert len({batch["traced"].shape[-1] for batch in one}) > 3
    assert threads, "other lengths than those at opening were not tried in this process"
    assert (os.getpid(), threading.get_ident()) not in threads


def test_a_module_that_fails_for_a_length_is_named_with_it(varied: Store, recipe: Recipe) -> None:
    def choosy(waveform: torch.Tensor) -> torch.Tensor:
        if 4_000 < len(waveform) < 8_000:
            raise ValueError("neither short nor long")
        return waveform

    with pytest.raises(FeatureError, match=r"feature 'choosy' does not take clips of \d+ samples: neither short nor long"):
        list(stream(recipe, varied, batch_size=1, features=choosy))
