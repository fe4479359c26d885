"""A disk that is full, read-only or forbidden ends a build in one line with path and remedy."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamaug.store import Store
from tests.building.clips import write_clips
from tests.servers import s3_server


def build(table: Path, store: str | Path, *, limit: Callable[[], None] | None = None, **environment: str) -> subprocess.CompletedProcess:
    arguments = ["build", str(table), str(store), "--conditions", "original,mulaw_64", "--clips-per-shard", "5", "--workers", "1"]
    return subprocess.run(
        [sys.executable, "-m", "streamaug", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
        preexec_fn=limit,
        env={**os.environ, **environment},
    )


def assert_one_line(ended: subprocess.CompletedProcess, path: Path, reason: str, remedy: str) -> None:
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout
    last = ended.stdout.strip().splitlines()[-1]
    assert last.startswith(f"error: {path}"), last
    assert reason in last
    assert remedy in last


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory; skips the test where it cannot be mounted."""
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False).returncode
    ):
        pytest.skip("no right to mount a file system in memory")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True, capture_output=True)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 40)


def test_a_full_disk_is_named_and_after_space_was_freed_the_build_resumes(table, tmp_path):
    with mounted(tmp_path / "disk", "size=400k") as disk:
        assert_one_line(build(table, disk / "store"), disk, "the disk is full", "free some space")
        remount(disk, "size=60m")
        again = build(table, disk / "store")
        assert again.returncode == 0, again.stdout
        assert len(Store.open(disk / "store").index("mulaw_64")) == 40


def test_a_disk_without_inodes_is_named_as_such(table, tmp_path):
    with mounted(tmp_path / "disk", "size=60m,nr_inodes=16") as disk:
        assert_one_line(build(table, disk / "store"), disk, "no inode left", "remove some files")


def test_a_read_only_disk_is_named(table, tmp_path):
    with mounted(tmp_path / "disk", "size=60m") as disk:
        remount(disk, "ro")
        assert_one_line(build(table, disk / "store"), disk, "read-only", "choose another folder")


def test_a_full_temporary_folder_is_named_by_a_build_to_a_remote_store(table, tmp_path):
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    with s3_server() as url, mounted(tmp_path / "tmp", "size=100k") as disk:
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="disk")
        ended = build(table, "s3://disk/store", AWS_ENDPOINT_URL=url, TMPDIR=str(disk), **keys)
        assert_one_line(ended, disk, "the disk is full", "free some space")
        assert not list(disk.glob("streamaug-*"))


def test_a_folder_without_write_permission_is_named(table, tmp_path):
    if not os.geteuid():
        pytest.skip("root may write everywhere")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert_one_line(build(table, closed / "store"), closed, "no permission", "rights")


def test_a_file_in_place_of_the_stores_parent_is_named(table, tmp_path):
    (tmp_path / "file").write_text("")
    ended = build(table, tmp_path / "file" / "store")
    assert_one_line(ended, tmp_path / "file", "Not a directory", "choose another folder")


def test_a_limit_on_the_size_of_files_is_named(table, tmp_path):
    ended = build(table, tmp_path / "store", limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    assert_one_line(ended, tmp_path / "store", "larger than", "raise the limit")
