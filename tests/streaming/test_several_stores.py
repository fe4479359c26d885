"""Streams of two stores, one on this machine's disk and one on S3: one plan, one position, rows of
both in each batch."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from streamaug.building.build import build
from streamaug.codecs.decoding import resample_clip
from streamaug.conditions import parse_conditions
from streamaug.errors import CorruptError, RecipeError, StateError, StoreError
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import factorize
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from streamaug.store.catalogue import Catalogue
from streamaug.streaming import Cache, Stream
from streamaug.testing import replace_tables
from tests.in_process import InProcess
from tests.servers import python_web_server, s3_server
from tests.streaming.conftest import RATE, first_batches, write_recipe
from tests.streaming.test_stream import same
from tests.streaming.test_stream_commands import cells, streamaug

MIXTURE = {"esc:original": 0.5, "esc:mp3_64": 1, "tau:original": 1, "tau:mp3_64": 1}
ROWS = {"esc:original": 8, "esc:mp3_64": 16, "tau:original": 32, "tau:mp3_64": 32}
"""Of an epoch."""


def sounds(folder: Path, rate: int = RATE) -> Path:
    """A store of 16 clips to train on and 4 to evaluate on, whose labels are partly those of the
    other store, and whose clips are shorter."""
    time = np.arange(3 * RATE // 4) / RATE
    rows = []
    for number in range(20):
        path = folder / f"sound{number:02d}.wav"
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * (1000 + 40 * number) * time), RATE, subtype="PCM_16")
        label, split = ("siren", "tramway")[number % 2], "train" if number < 16 else "evaluate"
        rows.append({"path": str(path), "label": label, "split": split, "group": f"g{number}", "take": number})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    build(
        folder / "clips.parquet",
        folder / "esc",
        conditions=parse_conditions("original,mp3_64"),
        rate=rate,
        clips_per_shard=8,
        executor=InProcess(),
    )
    return folder / "esc"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds(tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def on_s3(local: Path) -> Iterator[Store]:
    """The same store on a server."""
    with s3_server() as url:
        options = {"key": "test", "secret": "test", "client_kwargs": {"endpoint_url": url, "region_name": "us-east-1"}}
        fs = fsspec.filesystem("s3", **options)
        fs.call_s3("create_bucket", Bucket="several")
        fs.put(str(local), "several/esc", recursive=True)
        yield Store.open("s3://several/esc", options)


@pytest.fixture
def both(on_s3: Store, store: Store) -> Catalogue:
    return Catalogue.open({"esc": on_s3, "tau": store}, rename_labels={"esc": {"tramway": "tram"}})


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe({"draw": "union", "mixture": MIXTURE})


def stream(recipe: Any, store: Any, **settings: Any) -> Stream:
    return Stream(recipe, store, **{"batch_size": 8, "features": "waveform", "threads": 2, "tail": "keep", **settings})


def keys(batches: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [key for batch in batches for key in zip(batch["store"], batch["clip_id"], batch["condition"], strict=True)]


def test_each_row_is_of_its_store_and_sounds_as_it_does_there(both: Catalogue, recipe: Recipe) -> None:
    one = stream(recipe, both)
    batches = list(one)
    assert Counter(condition for _, _, condition in keys(batches)) == ROWS
    labels = {
        (name, clip): label
        for name, clip, label in zip(*(both.clips[column].to_pylist() for column in ("store", "clip_id", "label")), strict=True)
    }
    for batch in batches[:4]:
        for row, (name, clip, condition) in enumerate(keys([batch])):
            assert condition.startswith(f"{name}:")
            assert one.labels[batch["label"][row]] == labels[name, clip]
            sound = both.stores[name].read(condition.partition(":")[2], clip)
            length = int(batch["length"][row])
            assert length == len(sound.samples) == (RATE if name == "tau" else 3 * RATE // 4)
            assert torch.equal(batch["waveform"][row, :length], torch.from_numpy(sound.samples))


def test_labels_are_joined_by_name_and_a_stream_of_one_store_says_no_store(both: Catalogue, recipe: Recipe, store: Store) -> None:
    assert stream(recipe, both).labels == ("siren", "tram", *(label for label in store.manifest.labels if label != "tram"))
    alone = next(iter(stream({"draw": "union", "mixture": {"mp3_64": 1}}, store)))
    assert "store" not in alone


def test_what_was_served_is_what_the_ledger_says(both: Catalogue, recipe: Recipe) -> None:
    one = stream(recipe, both)
    served = Counter(
        (condition, name, one.labels[label])
        for batch in one
        for (name, _, condition), label in zip(keys([batch]), batch["label"].tolist(), strict=True)
    )
    ledger = planned(one.plan, {name: factorize(both.clips, name) for name in ("store", "label")})
    assert served == {tuple(line[name] for name in ("condition", "store", "label")): line["rows"] for line in ledger.table().to_pylist()}


def test_the_stores_of_a_recipe_file_are_found_next_to_it(
    local: Path, store_path: Path, both: Catalogue, recipe: Recipe, tmp_path: Path
) -> None:
    shutil.copytree(local, tmp_path / "esc")
    (tmp_path / "recipe.yaml").write_text(
        f"draw: union\nstores: {{esc: esc, tau: {store_path}}}\nrename_labels: {{esc: {{tramway: tram}}}}\n"
        "mixture: {esc:original: 0.5, esc:mp3_64: 1, tau:original: 1, tau:mp3_64: 1}\n"
    )
    named = stream(tmp_path / "recipe.yaml", None)
    assert named.labels == stream(recipe, both).labels
    assert keys(list(named)) == keys(list(stream(recipe, both)))


@pytest.mark.parametrize(("workers", "method"), [(2, "fork"), (1, "spawn")])
def test_dataloader_workers_give_the_same_epochs(both: Catalogue, recipe: Recipe, workers: int, method: str) -> None:
    bare = stream(recipe, both)
    expected = [*bare, *bare]
    loader = DataLoader(stream(recipe, both), batch_size=None, num_workers=workers, multiprocessing_context=method)
    assert all(map(same, [*loader, *loader], expected))


@pytest.mark.parametrize("shuffle", ["full", {"window": 10}])
def test_ranks_share_each_batch(both: Catalogue, shuffle: Any) -> None:
    recipe = load_recipe({"draw": "union", "mixture": MIXTURE, "shuffle": shuffle})
    whole = list(stream(recipe, both))
    ranks = [list(stream(recipe, both, rank=rank, world=2)) for rank in range(2)]
    for batch, *parts in zip(whole, *ranks, strict=True):
        assert keys(parts) == keys([batch])


@pytest.mark.parametrize("stop", [1, 7, 11, 15])
def test_a_position_resumes_exactly(both: Catalogue, recipe: Recipe, stop: int) -> None:
    whole = stream(recipe, both)
    expected = [*whole, *whole]
    before = stream(recipe, both)
    served = first_batches(before, stop)
    state = json.loads(json.dumps(before.state_dict()))
    assert state["snapshot"] == both.snapshot
    after = stream(recipe, both, threads=1)
    after.load_state_dict(state)
    while len(served) < len(expected):
        served += after
    assert all(map(same, served, expected))


def test_a_position_resumes_on_another_number_of_ranks(both: Catalogue, recipe: Recipe) -> None:
    before = stream(recipe, both)
    batches = iter(before)
    served = [next(batches) for _ in range(5)]
    ranks = [stream(recipe, both, rank=rank, world=2) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(before.state_dict())
    rest = [part for parts in zip(*ranks, strict=True) for part in parts]
    assert keys(served + rest) == keys(list(stream(recipe, both)))


def test_another_content_of_one_store_is_refused_and_the_store_is_named(
    both: Catalogue, recipe: Recipe, local: Path, tmp_path: Path
) -> None:
    state = stream(recipe, both).state_dict()
    shutil.copytree(local, tmp_path / "esc")
    esc = Store.open(tmp_path / "esc")
    other = replace_tables(esc, clips=esc.clips.slice(1))
    (tmp_path / "esc" / "snapshots" / f"{esc.snapshot}.json").unlink()
    changed = Catalogue.open({"esc": other, "tau": both.stores["tau"]}, rename_labels=both.rename_labels)
    with pytest.raises(
        StateError, match=rf"the clips of the store are not the same.*{tmp_path}/esc has no snapshot '{esc.snapshot}' any more"
    ):
        stream(recipe, changed).load_state_dict(state)
    with pytest.raises(StateError, match="is only there"):
        stream({"draw": "union", "mixture": {"mp3_64": 1}}, both.stores["tau"]).load_state_dict(state)


def test_a_position_resumes_on_the_snapshot_of_each_store_that_it_was_saved_on(
    recipe: Recipe, store: Store, local: Path, tmp_path: Path
) -> None:
    shutil.copytree(local, tmp_path / "esc")
    esc = Store.open(tmp_path / "esc")
    old = Catalogue.open({"esc": esc, "tau": store})
    before = stream(recipe, old)
    batches = iter(before)
    served = [next(batches) for _ in range(3)]
    state = json.loads(json.dumps(before.state_dict()))
    replace_tables(esc, clips=esc.clips.slice(2))

    def loader() -> StatefulDataLoader:
        return StatefulDataLoader(opened, batch_size=None, num_workers=2, snapshot_every_n_steps=1)

    opened = stream(recipe, Catalogue.open({"esc": tmp_path / "esc", "tau": store}))
    assert keys(list(opened)) != keys(list(stream(recipe, old)))
    opened.load_state_dict(state)
    assert opened.next_position_dict()["snapshot"] == old.snapshot
    assert keys(served + list(loader())) == keys(list(stream(recipe, old)))


def test_both_caches_serve_a_warm_epoch_without_reading(both: Catalogue, recipe: Recipe, tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path / "cache", bound=1 << 30)
    whole = load_recipe({"draw": "union", "mixture": dict.fromkeys(MIXTURE, 1)})
    cold = stream(whole, both, features="static", feature_cache=cache, byte_cache=cache)
    first = list(cold)
    assert cold.cached == {"bitstreams": 32, "features/static": 96}  # bitstreams of the remote store
    warm = stream(whole, both, features="static", feature_cache=cache)
    assert all(map(same, list(warm), first))
    assert (warm.metrics.reads, sum(warm.metrics.decoded_clips.values())) == (0, 0)
    bytes_alone = stream(whole, both, byte_cache=cache)
    assert len(list(bytes_alone)) == 12
    assert set(bytes_alone.metrics.decoded_clips) == set(MIXTURE)


def test_the_commands_stream_and_warm_take_the_stores_of_the_recipe(
    local: Path, store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with python_web_server(local) as url:
        write_recipe(
            Path("recipe.yaml"),
            f"draw: union\nstores: {{esc: '{url}', tau: {store_path}}}\n"
            "mixture: {esc:original: 0.5, esc:mp3_64: 1, tau:original: 1, tau:mp3_64: 1}\n",
        )
        warmed = streamaug("warm", "recipe.yaml", "--cache", "cache", "--rate", 11_025)
        assert "the features of 96 of 96 clips" in warmed
        assert "the bitstreams of 32 of 32 clips" in warmed
        assert "the rest is decoded" not in warmed
        streamed = streamaug("stream", "recipe.yaml", "--cache", "cache", "--rate", 11_025)
    assert cells(streamed, "from the cache")[1] == "88 clips"
    assert {name: cells(streamed, name)[1:3] for name in ROWS} == {name: [str(rows), str(rows)] for name, rows in ROWS.items()}


def test_provenance_names_store_and_condition(both: Catalogue, recipe: Recipe) -> None:
    for batch in stream(recipe, both, provenance=True):
        for (name, clip, condition), made in zip(keys([batch]), batch["provenance"], strict=True):
            assert (made["store"], made["condition"]) == (name, condition)
            location = both.stores[name].location(condition.partition(":")[2], clip)
            assert made["shard"] == location.shard
            assert location.sha256.hex().startswith(made["sha256"])


def test_an_error_names_the_store_of_the_broken_clip_and_a_substitute_is_of_that_store(
    recipe: Recipe, store: Store, local: Path, tmp_path: Path
) -> None:
    shutil.copytree(local, tmp_path / "esc")
    broken = Store.open(tmp_path / "esc").location("mp3_64", "sound03")
    shard = tmp_path / "esc" / broken.shard
    data = bytearray(shard.read_bytes())
    data[broken.offset + 100] ^= 1
    shard.write_bytes(data)
    damaged = Catalogue.open({"esc": tmp_path / "esc", "tau": store})
    with pytest.raises(CorruptError, match=rf"{tmp_path}/esc/mp3_64/.*: clip 'sound03': does not match"):
        list(stream(recipe, damaged))
    one = stream(recipe, damaged, on_corrupt="replace")
    replaced = [
        (clip, batch["store"][row], batch["label"][row].item()) for batch in one for row, clip in enumerate(batch["replaced"]) if clip
    ]
    assert replaced == [("sound03", "esc", one.labels.index("tramway"))]


def test_each_condition_of_each_store_is_evaluated_with_the_labels_of_training(both: Catalogue) -> None:
    batches = list(Stream.evaluation(both, "esc:mp3_64", features="waveform", batch_size=3))
    assert keys(batches) == [("esc", f"sound{number}", "esc:mp3_64") for number in range(16, 20)]
    assert torch.cat([batch["label"] for batch in batches]).tolist() == [0, 1, 0, 1]


def test_stores_of_different_rates_are_resampled_to_one(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    mixed = Catalogue.open({"esc": sounds(tmp_path, rate=11_025), "tau": store})
    with pytest.raises(StoreError, match=r"'esc' has 11025 Hz and store 'tau' has 16000 Hz.*resample both with Stream\(rate=\.\.\.\)"):
        stream(recipe, mixed)
    for rate in (RATE, 8_000):
        batches = list(stream(recipe, mixed, rate=rate))
        assert Counter(condition for _, _, condition in keys(batches)) == ROWS
        for batch in batches[:3]:
            for row, (name, clip, condition) in enumerate(keys([batch])):
                sound = mixed.stores[name].read(condition.partition(":")[2], clip)
                expected = resample_clip(sound.samples, sound.rate, rate)
                assert torch.equal(batch["waveform"][row, : batch["length"][row]], torch.from_numpy(expected))


def test_a_plan_and_a_mapping_are_taken_and_a_recipe_without_stores_is_refused(both: Catalogue, recipe: Recipe) -> None:
    plan = stream(recipe, both).plan
    assert keys(list(stream(plan, both))) == keys(list(stream(recipe, both)))
    renamed = load_recipe({"draw": "union", "mixture": MIXTURE, "rename_labels": {"esc": {"tramway": "tram"}}})
    assert stream(renamed, dict(both.stores)).labels == both.manifest.labels
    with pytest.raises(RecipeError, match="does not say where its stores are"):
        stream(recipe, None)
