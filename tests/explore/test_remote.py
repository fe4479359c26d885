"""Stores on web servers and on S3 are shown as from a disk, also if the server lists no folders."""

from pathlib import Path

from streamaug.explore.explorer import Explorer
from streamaug.explore.filters import Query
from streamaug.store import Store
from tests.store.conftest import bucket, s3_environment, s3_url  # noqa: F401  # fixtures of `url`
from tests.store.test_without_listing import local, url  # noqa: F401  # fixtures


def test_a_remote_store_is_shown_as_from_a_disk(url: str, local: Path, tmp_path: Path) -> None:  # noqa: F811  # a fixture is imported by its name
    here, there = (tmp_path / name for name in ("here", "there"))
    here.mkdir()
    there.mkdir()
    near, far = Explorer(Store.open(local), here), Explorer(Store.open(url), there)
    assert far.search(Query(), 0) == near.search(Query(), 0)
    for clip in near.search(Query(), 0)["clips"]:
        name = clip["clip_id"]
        shown = far.clip(name)
        problems = [each.pop("grade_error", "") for each in shown["conditions"]]
        assert not problems[0]
        # S3 does not tell a file that does not exist from one that nobody may read.
        assert not problems[1] or "check that the file exists" in problems[1]
        for each in shown["conditions"][1:]:
            each["grade"] = None
        assert shown == near.clip(name)
        for condition in near.store.conditions:
            assert far.sound(condition, name) == near.sound(condition, name)
            assert far.bitstream(condition, name) == near.bitstream(condition, name)
