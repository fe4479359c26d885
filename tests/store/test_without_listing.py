"""Stores whose server gives files but lists no folders: web hosts without an index, S3 without
s3:ListBucket."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import s3fs

from streamaug import Stream
from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import FetchError, RecipeError, StoreError
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.servers import Fault, faulty, nginx, python_web_server

RECIPE = "draw: union\nmixture: {original: 1, mulaw_64+aac_32: 1}\n"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "store"
    with ThreadPoolExecutor(2) as executor:
        table = write_clips(tmp_path_factory.mktemp("clips"), 4)
        build(table, str(folder), conditions=parse_conditions("original,mulaw_64+aac_32"), executor=executor)
    return folder


@pytest.fixture(params=["python, folders 404", "nginx, folders 403", "S3 without s3:ListBucket"])
def url(request: pytest.FixtureRequest, local: Path, tmp_path: Path) -> Iterator[str]:
    """The store on a server that does not list folders."""
    with ExitStack() as stack:
        if request.param.startswith("python"):
            yield f"{stack.enter_context(python_web_server(local.parent, folder_status=404))}/store"
        elif request.param.startswith("nginx"):
            yield f"{stack.enter_context(nginx(local.parent, tmp_path, listing=False))}/store"
        else:
            environment: pytest.MonkeyPatch = request.getfixturevalue("s3_environment")
            server, bucket = request.getfixturevalue("s3_url"), request.getfixturevalue("bucket")
            files = {path.relative_to(local).as_posix(): path.read_bytes() for path in local.rglob("*") if path.is_file()}
            writable = Folder.at(f"s3://{bucket}/store")
            for name, data in files.items():
                writable.write(name, data)
            objects = {f"/{bucket}/store/{name.replace('+', '%2B')}" for name in files}

            def denied(_: str, path: str) -> Fault | None:
                """As S3 does then: 403 for listings, and for objects that do not exist."""
                return None if path.partition("?")[0] in objects else "forbid"

            environment.setenv("AWS_ENDPOINT_URL", stack.enter_context(faulty(server, denied)))
            s3fs.S3FileSystem.clear_instance_cache()
            yield f"s3://{bucket}/store"


def rows(store: str | Path, recipe: Path, **settings: Any) -> list[tuple[str, str, bytes]]:
    with Stream(recipe, store, batch_size=4, features="waveform", threads=1, **settings) as stream:
        return [
            (clip, str(condition), np.asarray(samples).tobytes())
            for batch in stream
            for clip, condition, samples in zip(batch["clip_id"], batch["condition"], batch["waveform"], strict=True)
        ]


def test_it_opens_and_streams_the_same_rows_as_from_disk(url: str, local: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    expected = rows(local, recipe)
    assert {condition for _, condition, _ in expected} == {"original", "mulaw_64+aac_32"}
    assert rows(url, recipe) == expected
    assert Store.open(url).conditions == ("original", "mulaw_64+aac_32")


def test_a_condition_that_is_not_there_is_an_error_that_says_so(url: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("original: 1", "original: 1, aac_23: 1"))
    with pytest.raises(RecipeError, match="the store has no condition 'aac_23'"):
        Stream(recipe, url, batch_size=4)
    with pytest.raises(StoreError, match="no condition 'aac_23' in store"):
        Store.open(url).index("aac_23")


def test_it_can_be_verified_and_the_part_that_cannot_is_named(url: str) -> None:
    lines: list[str] = []

    class Log:
        def begin(self, stage: str, total: int) -> None: ...

        def advance(self, steps: int) -> None: ...

        def say(self, message: str) -> None:
            lines.append(message)

    with ThreadPoolExecutor(2) as executor:
        report = verify(Store.open(url), executor=executor, progress=Log())
    assert report.findings == ()
    assert set(report.indexes) == {"original", "mulaw_64+aac_32"}
    assert [line for line in lines if "does not list its folders" in line]


def test_a_store_that_is_not_there_is_one_line_that_says_what_to_check(url: str) -> None:
    """S3 answers 403 for it, since it may not say that nothing is there."""
    with pytest.raises((StoreError, FetchError), match=r"is not a store|check that the file exists.*s3:GetObject") as caught:
        Store.open(url.removesuffix("store") + "elsewhere")
    assert "\n" not in str(caught.value)
