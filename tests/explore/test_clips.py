"""Queries on the clips table find what a search through all rows finds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streamaug.errors import StoreError
from streamaug.explore.clips import MOST_VALUES, Clips
from streamaug.explore.explorer import PAGE, Explorer
from streamaug.explore.filters import Filter, Query
from streamaug.store import Store
from streamaug.testing import write_store
from tests.explore.conftest import COUNT, HOSTILE

Rows = list[dict[str, Any]]


def many_groups(folder: Path, monkeypatch: pytest.MonkeyPatch, **columns: list[Any]) -> Clips:
    """A clips table of row groups of five clips."""
    monkeypatch.setattr("streamaug.store.parquet.ROW_GROUP", 5)
    count = len(columns["clip_id"])
    columns = {"split": ["train"] * count, "group": [None] * count, **columns}
    labels = sorted(set(columns.get("label", [])) | {label for each in columns.get("labels", []) for label in each})
    store = write_store(folder / "store", columns, {"original": None}, labels=labels)
    return clips_of(store, folder)


def clips_of(store: Store, folder: Path) -> Clips:
    return Explorer(store, folder).clips


def names(clips: Clips, query: Query) -> list[str]:
    return [row["clip_id"] for row in clips.take(clips.rows(query), ["clip_id"])]


def only(column: str, operator: Any, *values: str) -> Query:
    return Query(filters=(Filter(column=column, operator=operator, values=values),))


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        (Query(), lambda row: True),
        (Query(text="CLIP1"), lambda row: row["clip_id"].startswith("clip1")),
        (Query(text="sire"), lambda row: row["label"] == "siren"),
        (Query(text="far AWAY"), lambda row: row["note"] == "Far away"),
        (Query(text="nowhere"), lambda row: False),
        (Query(text="<script>"), lambda row: row["label"] == HOSTILE),
        (Query(text=".*"), lambda row: False),
        (only("label", "is", "rain"), lambda row: row["label"] == "rain"),
        (only("label", "is", "rain", "wind"), lambda row: row["label"] in ("rain", "wind")),
        (only("label", "is not", "rain"), lambda row: row["label"] != "rain"),
        (only("label", "is", "Rain"), lambda row: False),
        (only("note", "is", ""), lambda row: row["note"] is None),
        (only("note", "is not", "Far away"), lambda row: row["note"] is None),
        (only("loudness", "at least", "7.25"), lambda row: float(row["loudness"]) >= 7.25),
        (only("loudness", "at most", "7.25"), lambda row: float(row["loudness"]) <= 7.25),
        (only("samples", "at least", "33000"), lambda row: row["samples"] >= 33_000),
        (only("clip_id", "contains", "P3"), lambda row: "p3" in row["clip_id"]),
        (
            Query(text="rain", filters=(Filter(column="split", operator="is", values=("evaluate",)),)),
            lambda row: row["label"] == "rain" and row["split"] == "evaluate",
        ),
    ],
)
def test_a_query_finds_the_clips_that_hold_it(explorer: Explorer, query: Query, holds: Callable[[dict[str, Any]], bool]) -> None:
    rows = explorer.store.clips.to_pylist()
    assert names(explorer.clips, query) == [row["clip_id"] for row in rows if holds(row)]


def test_a_list_of_labels_is_searched_and_filtered_by_its_items(kinds: dict[str | None, Path], tmp_path: Path) -> None:
    store = Store.open(kinds["labels"])
    clips, rows = clips_of(store, tmp_path), store.clips.to_pylist()
    for query in (only("labels", "is", "siren"), Query(text="SIREN"), only("labels", "contains", "ire")):
        assert names(clips, query) == [row["clip_id"] for row in rows if "siren" in row["labels"]]
    assert names(clips, only("labels", "is not", "siren")) == [row["clip_id"] for row in rows if "siren" not in row["labels"]]
    assert dict(clips.values("labels").counts)["siren"] == sum("siren" in row["labels"] for row in rows)


@pytest.mark.parametrize("target", ["label", "labels", "target", None])
def test_every_kind_of_store_has_its_list(kinds: dict[str | None, Path], tmp_path: Path, target: str | None) -> None:
    store = Store.open(kinds[target])
    found = Explorer(store, tmp_path).search(Query(), 0)
    assert [clip["clip_id"] for clip in found["clips"]] == store.clips["clip_id"].to_pylist()
    if target is None:
        assert {clip["target"] for clip in found["clips"]} == {""}
    else:
        assert all(clip["target"] for clip in found["clips"])


def test_rows_are_found_across_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip_ids = [f"c{number:03d}" for number in range(23)]
    clips = many_groups(tmp_path, monkeypatch, clip_id=clip_ids, label=["ab"[number % 2] for number in range(23)])
    assert names(clips, only("label", "is", "b")) == clip_ids[1::2]
    assert [clips.row(name)["clip_id"].to_pylist() for name in clip_ids] == [[name] for name in clip_ids]
    assert [row["clip_id"] for row in clips.page(Query(), 4, 8)] == clip_ids[4:12]
    assert clips.values("label").counts == (("a", 12), ("b", 11))


def test_lists_that_are_empty_or_in_later_row_groups_count_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [[], ["x"], ["x", "y"], ["y"], [], ["y"], ["x"], []]
    clips = many_groups(tmp_path, monkeypatch, clip_id=[f"c{number}" for number in range(8)], labels=labels)
    assert names(clips, only("labels", "is", "x")) == ["c1", "c2", "c6"]
    assert names(clips, only("labels", "is not", "x")) == ["c0", "c3", "c4", "c5", "c7"]
    assert names(clips, only("labels", "is", "")) == ["c0", "c4", "c7"]


def test_pages_follow_each_other_and_end(explorer: Explorer) -> None:
    first, second, third = (explorer.search(Query(), start) for start in (0, PAGE, 2 * PAGE))
    together = [clip["clip_id"] for page in (first, second) for clip in page["clips"]]
    assert together == explorer.store.clips["clip_id"].to_pylist()
    assert (first["total"], len(second["clips"]), third["clips"]) == (COUNT, COUNT - PAGE, [])


def test_values_that_are_there_once_each_are_not_all_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip_ids = [f"c{number:03d}" for number in range(MOST_VALUES + 5)]
    values = many_groups(tmp_path, monkeypatch, clip_id=clip_ids, label=["a"] * len(clip_ids)).values("clip_id")
    assert (len(values.counts), values.is_complete) == (MOST_VALUES, False)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (only("lable", "is", "rain"), "no column 'lable' to choose by. Did you mean 'label'?"),
        (only("sha256", "is", "00"), "no column 'sha256'"),
        (only("loudness", "at least", "loud"), "filter on 'loudness': 'loud' is not a number"),
        (only("label", "at least", "3"), "filter on 'label': its values are not numbers"),
    ],
)
def test_a_query_that_does_not_fit_the_table_says_why(explorer: Explorer, query: Query, problem: str) -> None:
    with pytest.raises(StoreError, match=problem.replace("?", r"\?")):
        explorer.clips.rows(query)


@pytest.mark.parametrize(
    "plain", [None, {}, ["label"], ["label", "is"], ["label", "like", "x"], ["label", "is", 3], [["label"], "is", "x"]]
)
def test_what_is_not_a_filter_is_refused(plain: Any) -> None:
    with pytest.raises(StoreError, match="filter"):
        Filter.of(plain)


def test_an_unknown_clip_is_an_error_with_its_name(explorer: Explorer) -> None:
    with pytest.raises(StoreError, match="no clip 'clip'"):
        explorer.clips.row("clip")


def test_the_order_of_rows_is_that_of_the_names(explorer: Explorer) -> None:
    rows = explorer.clips.rows(Query(text="clip"))
    assert rows.dtype == np.uint32
    assert isinstance(explorer.clips.row("clip00"), pa.Table)
    assert (np.diff(rows.astype(np.int64)) > 0).all()
