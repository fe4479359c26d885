"""The static page shows the same, from a disk, and is written whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.errors import FetchError, StoreError
from streamaug.explore.choice import query_of, spread_clips
from streamaug.explore.explorer import Explorer
from streamaug.explore.export import export_page
from streamaug.explore.filters import Filter, Query
from streamaug.store import Store
from tests.browser import check_page, open_page
from tests.explore.conftest import BROKEN, CONDITIONS, HOSTILE
from tests.explore.test_page import ready, rounded, samples, until


@pytest.fixture(scope="module")
def exported(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "page"
    result = CliRunner().invoke(app, ["explore", str(store_path), "--export", str(folder), "--clips", "6"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == f"written: {folder / 'index.html'}\n"
    return folder


def test_the_page_passes_all_checks_from_a_disk(browser: Browser, exported: Path) -> None:
    check_page(browser, exported / "index.html", ready=ready)


def test_its_sounds_are_those_of_the_store(browser: Browser, exported: Path, store: Store) -> None:
    with open_page(browser, exported / "index.html") as page:
        ready(page)
        clip = page.inner_text("#clip")
        assert clip == "clip00"
        for condition in CONDITIONS:
            heard = samples(page, f"sounds.get('{condition}', state.clip)")
            np.testing.assert_allclose(heard, rounded(store.read(condition, clip).samples), atol=1 / 32768)
        page.keyboard.press("2")
        page.keyboard.press("Space")
        until(page, "player.currentTime > 0.1")
        link = page.get_attribute(".row:nth-child(2) .download", "href")
        location = store.location("mp3_24", clip)
        assert (exported / str(link)).read_bytes() == location.read(store.folder)
        assert HOSTILE in page.inner_text("#facts")
        assert page.evaluate("window.hacked") is None


def test_its_clips_are_found_as_on_the_server(browser: Browser, exported: Path, explorer: Explorer) -> None:
    chosen = json.loads((exported / "streamaug-explore.json").read_text())["clips"]
    queries = [
        ("clip0", []),
        ("RAIN", []),
        ("3", []),
        ("far", []),
        ("", [["split", "is", "train"]]),
        ("", [["label", "is not", "rain"]]),
        ("", [["samples", "at least", "33000"]]),
    ]
    with open_page(browser, exported / "index.html") as page:
        ready(page)
        for text, filters in queries:
            found = page.evaluate("([text, filters]) => source.clips(text, filters, 0)", [text, filters])
            query = Query(text=text, filters=tuple(map(Filter.of, filters)))
            expected = [row["clip_id"] for row in explorer.clips.take(explorer.clips.rows(query), ["clip_id"]) if row["clip_id"] in chosen]
            assert [clip["clip_id"] for clip in found["clips"]] == expected, (text, filters)


def test_clips_are_spread_over_the_labels(explorer: Explorer, store: Store) -> None:
    rows = spread_clips(explorer.clips, store.manifest.labels, query_of([]), 8)
    labels = store.clips["label"].take(rows).to_pylist()
    assert {label: labels.count(label) for label in store.manifest.labels} == {HOSTILE: 1, "rain": 2, "siren": 3, "wind": 2}
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_a_choice_limits_the_clips(explorer: Explorer, store: Store) -> None:
    rows = spread_clips(explorer.clips, store.manifest.labels, query_of(["label=rain,wind", "split!=train"]), 100)
    chosen = store.clips.take(rows).to_pylist()
    assert {row["label"] for row in chosen} == {"rain", "wind"}
    assert {row["split"] for row in chosen} == {"evaluate"}
    assert len(rows) == sum(row["label"] in ("rain", "wind") and row["split"] == "evaluate" for row in store.clips.to_pylist())


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["label=rian"], r"--where label=rian: no clip has label = rian; .* Did you mean 'rain'\?"),
        (
            ["split"],
            r"--where split: no clip has split = split; write another value, or column=value, such as label=rain\. Available: evaluate",
        ),
        (["split!=train,evaluate"], "every clip has split = train, evaluate"),
        (["label=rain", "label=wind"], "no clip matches all of --where together"),
    ],
)
def test_a_choice_that_no_clip_fulfils_is_named(explorer: Explorer, store: Store, where: list[str], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        spread_clips(explorer.clips, store.manifest.labels, query_of(where), 3)


@pytest.mark.parametrize("target", ["labels", "target", None])
def test_stores_of_every_kind_have_clips_to_show(kinds: dict[str | None, Path], tmp_path: Path, target: str | None) -> None:
    store = Store.open(kinds[target])
    rows = spread_clips(Explorer(store, tmp_path).clips, store.manifest.labels, query_of([]), 5)
    assert len(set(rows.tolist())) == 5


def test_a_broken_clip_is_on_the_page_with_what_is_wrong(browser: Browser, explorer: Explorer, tmp_path: Path) -> None:
    export_page(explorer, tmp_path / "page", clips=1, where=[f"clip_id={BROKEN}"])
    with open_page(browser, tmp_path / "page" / "index.html") as page:
        ready(page)
        assert "does not match its sha256" in page.inner_text(".row:nth-child(2) .error")
        page.keyboard.press("3")
        page.keyboard.press("Space")
        until(page, "player.currentTime > 0.1")


def test_an_earlier_page_is_replaced_and_anything_else_is_not(explorer: Explorer, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    export_page(explorer, folder, clips=1)
    export_page(explorer, folder, clips=2)
    assert len(list((folder / "sounds").iterdir())) == 2
    export_page(explorer, folder, clips=1)
    assert len(list((folder / "sounds").iterdir())) == 1
    for name in ("notes.txt", "sounds/mine.wav", "own"):
        (folder / name).mkdir() if name == "own" else (folder / name).touch()
        with pytest.raises(StoreError, match=f"is an exported page, but it also contains '{name}'; move that away"):
            export_page(explorer, folder, clips=2)
        assert len(list((folder / "sounds").glob("*.js"))) == 1
        (folder / name).rmdir() if name == "own" else (folder / name).unlink()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(StoreError, match=r"is not an exported page and not empty \(it contains 'thesis.tex'\)"):
        export_page(explorer, tmp_path / "mine", clips=1)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file"):
        export_page(explorer, tmp_path / "file", clips=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "page"]


def test_options_of_a_page_are_refused_without_a_page(store_path: Path) -> None:
    for options in (["--clips", "3"], ["--where", "split=train"]):
        result = CliRunner().invoke(app, ["explore", str(store_path), "--no-browser", *options])
        assert result.exit_code == 2
        assert "add --export FOLDER" in result.output


def test_a_page_that_cannot_be_finished_leaves_nothing(explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streamaug.explore.export._write_clip", full)
    with pytest.raises(FetchError, match="the disk is full"):
        export_page(explorer, tmp_path / "page", clips=1)
    assert list(tmp_path.iterdir()) == []
