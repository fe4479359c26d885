"""Loss as a condition: exact, the same on any number of workers, ranks and restarts, and in sight."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from streamaug.building.build import build
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.conditions import parse_conditions
from streamaug.crop import Crop
from streamaug.errors import LinkError, RecipeError, StateError, StreamaugError
from streamaug.integrations import webdataset
from streamaug.links import Bursts, evaluation_key, find_link, lost_packets, training_key
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import open_plan
from streamaug.reading.cache import Cache
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.store.catalogue import Catalogue
from streamaug.streaming.stream import Stream
from tests.in_process import InProcess

RATE = 16_000
LOSS30 = {"loss": 0.3, "burst": 3}
RECIPE = {
    "draw": "union",
    "mixture": {"original": 1, "lc3_32": 1, "lc3_32~loss30": 2, "alaw_64~loss30": 1, "opus-voip_24~wifi@1": 1},
    "links": {"loss30": LOSS30},
}
CONDITIONS = "original,lc3_32,alaw_64,opus-voip_24"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(built(tmp_path_factory.mktemp("calls"), 12))


def built(folder: Path, clips: int, seed: int = 5) -> Path:
    generator, rows = np.random.default_rng(seed), []
    for number in range(clips):
        time = np.arange(RATE + 400 * number) / RATE
        tone = 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time) + 0.02 * generator.standard_normal(len(time))
        soundfile.write(folder / f"clip{number:02d}.wav", tone, RATE, subtype="PCM_16")
        split = "evaluate" if number >= 8 else "train"
        rows.append({"path": str(folder / f"clip{number:02d}.wav"), "label": "ab"[number % 2], "split": split, "group": f"{seed}-{number}"})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    build(folder / "clips.parquet", folder / "store", conditions=parse_conditions(CONDITIONS), clips_per_shard=8, executor=InProcess())
    return folder / "store"


def stream(store: Any, recipe: Any = RECIPE, **settings: Any) -> Stream:
    usual = {"batch_size": 8, "features": "waveform", "tail": "keep", "seed": 3, "lost": True, "threads": 2}
    return Stream(recipe, store, **{**usual, **settings})


def rows_of(stream: Stream) -> Iterator[tuple[str, str, int, torch.Tensor, torch.Tensor]]:
    with stream:
        for batch in stream:
            for row, (clip, condition) in enumerate(zip(batch["clip_id"], batch["condition"], strict=True)):
                length = int(batch["length"][row])
                yield clip, condition, int(batch["position"][row]), batch["waveform"][row, :length], batch["lost"][row, :length]


def expected(store: Store, condition: str, clip: str, key: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples and the mask of a clip, from its bitstream."""
    stored, _, name = condition.partition("~")
    location, index = store.location(stored, clip), store.index(stored)
    link = find_link(name, {"loss30": Bursts(loss=0.3, burst=3)})
    samples, stretches = decode_lossy(
        location.read(store.folder),
        lossy_opener(location.decoding, index.meta.steps[-1].encoder),
        decoding=location.decoding,
        lose=lambda packets: lost_packets(link, key, packets),
        rate=RATE,
        delay=location.delay,
        samples=location.samples,
    )
    mask = np.zeros(len(samples), bool)
    for start, stop in stretches:
        mask[start:stop] = True
    return samples, mask


def same(one: Any, other: Any) -> None:
    for first, second in zip(one, other, strict=True):
        assert first[:3] == second[:3]
        torch.testing.assert_close(first[3], second[3], rtol=0, atol=0)
        torch.testing.assert_close(first[4], second[4], rtol=0, atol=0)


def test_each_row_loses_the_packets_of_its_place_in_the_epoch(store: Store) -> None:
    lossy = plain = 0
    for clip, condition, position, waveform, lost in rows_of(stream(store)):
        if "~" in condition:
            samples, mask = expected(store, condition, clip, training_key(3, 0, position, 0))
            lossy += int(mask.sum())
        else:
            samples, mask = store.read(condition, clip).samples, np.zeros(len(waveform), bool)
            plain += 1
        np.testing.assert_array_equal(waveform.numpy(), samples)
        np.testing.assert_array_equal(lost.numpy(), mask)
    assert plain == 16
    assert lossy > 10_000


def test_two_rows_of_the_same_clip_and_two_epochs_lose_other_packets(store: Store) -> None:
    opened = stream(store)
    first = [row for row in rows_of(opened) if row[1] == "lc3_32~loss30"]
    second = [row for row in rows_of(opened) if row[1] == "lc3_32~loss30"]
    masks = {}
    for clip, _, _, _, lost in first + second:
        masks.setdefault(clip, set()).add(lost.numpy().tobytes())
    assert len(first) == len(second) == 16  # twice each of 8 clips
    assert all(len(patterns) == 4 for patterns in masks.values())


def test_threads_processes_and_ranks_change_nothing(store: Store) -> None:
    alone = sorted(rows_of(stream(store, threads=1)), key=lambda row: row[2])
    processes = sorted(rows_of(stream(store, threads=None, workers=2)), key=lambda row: row[2])
    same(alone, processes)
    ranks = [row for rank in range(2) for row in rows_of(stream(store, rank=rank, world=2))]
    same(alone, sorted(ranks, key=lambda row: row[2]))


def test_a_stream_resumes_with_the_same_losses(store: Store) -> None:
    whole = list(rows_of(stream(store)))
    opened = stream(store)
    batches = iter(opened)
    before = sum(len(next(batches)["clip_id"]) for _ in range(3))
    state = json.loads(json.dumps(opened.state_dict()))
    opened.close()
    resumed = stream(store, threads=None, workers=1)
    resumed.load_state_dict(state)
    same(whole[before:], rows_of(resumed))


def test_a_position_is_refused_with_another_link_of_the_same_name(store: Store) -> None:
    state = stream(store).state_dict()
    other = {**RECIPE, "links": {"loss30": {"loss": 0.3, "burst": 4}}}
    with pytest.raises(StateError, match=r"link 'loss30' loses other packets: [0-9a-f]{12} here, [0-9a-f]{12} there"):
        stream(store, other).load_state_dict(state)
    same_link = {**RECIPE, "links": {"loss30": {"burst": 3.0, "loss": 0.30}, "unused": {"loss": 0.5}}}
    stream(store, same_link).load_state_dict(state)


def test_a_crop_takes_its_part_of_what_was_lost(store: Store) -> None:
    whole = {row[2]: row for row in rows_of(stream(store))}
    for clip, condition, position, waveform, lost in rows_of(stream(store, crop=Crop(0.5, where="centre"))):
        start = (len(whole[position][3]) - 8_000) // 2
        assert (clip, condition) == whole[position][:2]
        torch.testing.assert_close(waveform, whole[position][3][start : start + 8_000], rtol=0, atol=0)
        torch.testing.assert_close(lost, whole[position][4][start : start + 8_000], rtol=0, atol=0)


def test_what_fills_a_short_clip_up_is_lost_where_its_sound_is(store: Store) -> None:
    whole = {row[2]: row for row in rows_of(stream(store))}
    for _, _, position, _, lost in rows_of(stream(store, crop=Crop(2.5, pad="repeat"))):
        mask = whole[position][4]
        torch.testing.assert_close(lost, mask[torch.arange(40_000) % len(mask)], rtol=0, atol=0)
    with stream(store, crop=Crop(2.5)) as opened:
        for batch in opened:
            for row, length in enumerate(batch["length"].tolist()):
                assert not batch["lost"][row, length:].any()


def test_another_rate_has_its_own_mask(store: Store) -> None:
    whole = {row[2]: row for row in rows_of(stream(store))}
    for _, _, position, waveform, lost in rows_of(stream(store, rate=8_000)):
        assert len(lost) == len(waveform) == -(-len(whole[position][3]) // 2)
        torch.testing.assert_close(lost, whole[position][4][::2], rtol=0, atol=0)


def test_augmentation_comes_after_the_loss(store: Store) -> None:
    def louder(waveform, rate, generator, row):
        assert row.condition in RECIPE["mixture"]
        return 2 * waveform

    for plain, augmented in zip(rows_of(stream(store)), rows_of(stream(store, augment=louder)), strict=True):
        torch.testing.assert_close(2 * plain[3], augmented[3], rtol=0, atol=0)
        torch.testing.assert_close(plain[4], augmented[4], rtol=0, atol=0)


def test_views_of_a_row_have_masks_of_their_own(store: Store) -> None:
    recipe = {"draw": "views", "views": 2, "mixture": {"lc3_32~loss30": 1, "alaw_64~loss30": 1}, "links": {"loss30": LOSS30}}
    with stream(store, recipe) as opened:
        batch = next(iter(opened))
    assert batch["lost"].shape == (8, 2, batch["waveform"].shape[-1])
    for row, conditions in enumerate(batch["condition"]):
        for view, condition in enumerate(conditions):
            samples, mask = expected(store, condition, batch["clip_id"][row], training_key(3, 0, int(batch["position"][row]), view))
            np.testing.assert_array_equal(batch["waveform"][row, view, : len(samples)].numpy(), samples)
            np.testing.assert_array_equal(batch["lost"][row, view, : len(samples)].numpy(), mask)


def test_an_evaluation_always_loses_the_same_packets_of_a_clip(store: Store) -> None:
    def evaluated(opened: Stream) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        return {row[0]: (row[3], row[4]) for row in rows_of(opened)}

    settings = {"features": "waveform", "links": {"loss30": LOSS30}, "lost": True, "threads": 1}
    opened = Stream.evaluation(store, "alaw_64~loss30", **settings)
    first, second = evaluated(opened), evaluated(opened)
    every = evaluated(Stream.evaluation(store, "alaw_64~loss30", split="clip_id=clip09,clip03,clip11", **settings))
    assert sorted(first) == ["clip08", "clip09", "clip10", "clip11"]
    for clip in first:
        samples, mask = expected(store, "alaw_64~loss30", clip, evaluation_key("alaw_64~loss30", clip))
        for waveform, lost in [served[clip] for served in (first, second, every) if clip in served]:
            np.testing.assert_array_equal(waveform.numpy(), samples)
            np.testing.assert_array_equal(lost.numpy(), mask)
        np.testing.assert_array_equal(store.read("alaw_64~loss30", clip, links={"loss30": LOSS30}).samples, samples)


def test_several_stores_each_lose_their_own(store: Store, tmp_path: Path) -> None:
    catalogue = Catalogue.open({"one": store, "two": built(tmp_path, 10, seed=6)})
    mixture = {"one:lc3_32~loss30": 1, "two:alaw_64~loss30": 1, "two:alaw_64": 1}
    recipe = {"draw": "union", "mixture": mixture, "links": {"loss30": LOSS30}}
    seen = set()
    for clip, condition, position, waveform, _ in rows_of(stream(catalogue, recipe)):
        name, _, own = condition.partition(":")
        seen.add(condition)
        if "~" in own:
            samples, _ = expected(catalogue.stores[name], own, clip, training_key(3, 0, position, 0))
            np.testing.assert_array_equal(waveform.numpy(), samples)
    assert seen == set(mixture)
    one = Stream.evaluation(catalogue, "two:alaw_64~wifi@1", features="waveform", threads=1)
    other = Stream.evaluation(catalogue.stores["two"], "alaw_64~wifi@1", features="waveform", threads=1)
    for first, second in zip(one, other, strict=True):
        torch.testing.assert_close(first["waveform"], second["waveform"], rtol=0, atol=0)


def test_a_trace_is_served(store: Store, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("lost\n" + "0\n0\n1\n0\n0\n0\n1\n1\n0\n0\n" * 7)
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {lc3_32~real: 1}\nlinks: {real: {trace: calls.csv}}\n")
    shares = [float(lost.float().mean()) for *_, lost in rows_of(stream(store, load_recipe(tmp_path / "recipe.yaml")))]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.02)
    recipe = load_recipe(tmp_path / "recipe.yaml")
    written = tmp_path / "elsewhere.yaml"
    written.write_text(recipe.to_yaml())
    assert load_recipe(written).hash == recipe.hash
    (tmp_path / "calls.csv").write_text("lost\n" + "0\n0\n1\n0\n" * 7)
    assert load_recipe(tmp_path / "recipe.yaml").hash != recipe.hash


def test_the_ledger_names_links_and_counts_their_rows_and_bytes(store: Store) -> None:
    plan = open_plan(load_recipe(RECIPE), store)
    ledger = planned(plan, {})
    counts = dict(zip(ledger.values[0], ledger.condition_rows.tolist(), strict=True))
    assert counts == {"original": 8, "alaw_64~loss30": 8, "lc3_32": 8, "lc3_32~loss30": 16, "opus-voip_24~wifi@1": 8}
    assert store.locations("lc3_32~loss30").digest == store.locations("lc3_32").digest
    np.testing.assert_array_equal(store.locations("lc3_32~loss30").size, store.locations("lc3_32").size)


def test_a_feature_cache_refuses_losses_in_training_and_keeps_those_of_an_evaluation(store: Store, tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path / "cache")
    with pytest.raises(LinkError, match="a feature cache cannot keep what link 'loss30' loses"):
        stream(store, feature_cache=cache, lost=False)
    with pytest.raises(StreamaugError, match="does not keep which samples"):
        Stream.evaluation(store, "lc3_32~wifi@1", feature_cache=cache, lost=True)

    def evaluated(links: dict[str, Any], condition: str, cached: Cache | None) -> torch.Tensor:
        opened = Stream.evaluation(store, condition, links=links, features="static", feature_cache=cached, threads=1)
        with opened:
            return torch.cat([batch["static"] for batch in opened])

    light, heavy = {"a": {"loss": 0.01}}, {"a": LOSS30}
    for _ in range(2):
        for links, condition in ((light, "lc3_32"), (light, "lc3_32~a"), (heavy, "lc3_32~a"), (heavy, "alaw_64~a")):
            kept, fresh = evaluated(links, condition, cache), evaluated(links, condition, None)
            torch.testing.assert_close(kept, fresh, rtol=2e-3, atol=2e-2)  # stored in half precision


def test_what_takes_no_link_is_refused_where_the_recipe_names_it(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for text, message in (
        ("draw: union\nmixture:\n  original~wifi@1: 1\n", r"recipe.yaml:3: 'original~wifi@1': codec 'flac' takes no link"),
        ("draw: union\nmixture:\n  lc3_32~loss5: 1\n", r"recipe.yaml:3: 'lc3_32~loss5': no link 'loss5' is defined; write 'links: \{loss5"),
        ("draw: union\nmixture:\n  lc3_32~: 1\n", r"recipe.yaml:3: condition 'lc3_32~': '' is not a link"),
        ("draw: union\nmixture: {lc3_33~wifi@1: 1}\n", r"no condition 'lc3_33'.*Did you mean 'lc3_32'"),
        ("draw: union\nmixture: {lc3_32~a: 1}\nlinks:\n  a: {loss: 0.5, burst: 1}\n", r"recipe.yaml:4: links: burst=1"),
        ("draw: union\nmixture: {lc3_32~a: 1}\nlinks:\n  a: {loss: 1.5}\n", r"recipe.yaml:4: links.a.loss: 1.5"),
        (
            "draw: union\nmixture: {lc3_32~a: 1}\nlinks:\n  a: {trace: none.csv}\n",
            r":4: links: trace .*none.csv: cannot be read",
        ),
        ("draw: union\nmixture: {lc3_32~a: 1}\nlinks:\n  a@1: {loss: 0.1}\n", r"recipe.yaml:4: links: link 'a@1': write lower-case"),
    ):
        path.write_text(text)
        with pytest.raises(RecipeError, match=message):
            stream(store, path)
    with pytest.raises(LinkError, match="no link 'loss5' is defined"):
        Stream.evaluation(store, "lc3_32~loss5")
    with pytest.raises(LinkError, match="takes no link"):
        Stream.evaluation(store, "original~wifi@1")
    with pytest.raises(LinkError, match="as it is stored"):
        webdataset.pipeline(RECIPE, store, batch_size=8)


def test_a_broken_clip_is_replaced_with_the_losses_of_its_place(tmp_path: Path) -> None:
    path = built(tmp_path, 12)
    opened = Store.open(path)
    location = opened.location("lc3_32", "clip02")
    with (path / location.shard).open("r+b") as file:
        file.seek(location.offset + 30)
        file.write(b"broken")
    recipe = {"draw": "union", "mixture": {"lc3_32~loss30": 1}, "links": {"loss30": LOSS30}}
    replaced = 0
    with stream(opened, recipe, on_corrupt="replace") as served:
        for batch in served:
            for row, clip in enumerate(batch["clip_id"]):
                samples, mask = expected(opened, "lc3_32~loss30", clip, training_key(3, 0, int(batch["position"][row]), 0))
                np.testing.assert_array_equal(batch["waveform"][row, : len(samples)].numpy(), samples)
                np.testing.assert_array_equal(batch["lost"][row, : len(samples)].numpy(), mask)
                replaced += batch["replaced"][row] == "clip02"
    assert replaced == 1
