"""What keeps a user out of a store is one line that says what to do: a package, credentials, a
bucket, a protocol."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import s3fs
from fsspec.registry import _registry

from streamaug.errors import FetchError, StoreError
from streamaug.store import Store
from streamaug.store.folder import Folder


def last_line(url: str, tmp_path: Path, **environment: str) -> str:
    """The last line of `streamaug info URL` by a user who has no settings but these."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FSSPEC_"))}
    command = [sys.executable, "-m", "streamaug", "info", url]
    ended = subprocess.run(
        command, env={**plain, "HOME": str(tmp_path), **environment}, stderr=subprocess.PIPE, text=True, check=False, timeout=100
    )
    assert ended.returncode == 1
    return ended.stderr.strip().splitlines()[-1]


def test_missing_credentials_are_not_tried_again_and_the_error_says_what_to_set(s3_url: str, tmp_path: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": s3_url, "AWS_EC2_METADATA_DISABLED": "true"}
    line = last_line("s3://bucket/store", tmp_path, **nowhere)
    assert "tries" not in line
    assert "credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" in line
    line = last_line("s3://bucket/store", tmp_path, **nowhere, AWS_PROFILE="nobody")
    assert "tries" not in line
    assert "profile (nobody) could not be found; set AWS_ACCESS_KEY_ID" in line


def test_an_s3_bucket_that_does_not_exist_is_not_taken_for_an_empty_one(s3_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="bucket does not exist; check the bucket's name and the endpoint, or create the bucket first"):
        Store.open("s3://no-such-bucket-here/store")
    with pytest.raises(FetchError, match="bucket does not exist"):
        Folder.at("s3://no-such-bucket-here/store").names()


def test_no_request_is_signed_where_the_environment_says_that_none_is_needed(s3_url: str, bucket: str, tmp_path: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": s3_url, "AWS_EC2_METADATA_DISABLED": "true"}
    assert "is not a store: it has no store.json" in last_line(f"s3://{bucket}/store", tmp_path, **nowhere, FSSPEC_S3_ANON="true")


@pytest.mark.parametrize(
    ("url", "package", "remedy"),
    [
        ("gs://bucket/store", "gcsfs", "pip install gcsfs"),
        ("abfs://container@account.dfs.core.windows.net/store", "adlfs", "pip install adlfs"),
        ("simplecache::gs://bucket/store", "gcsfs", "pip install gcsfs"),
        ("s3://bucket/store", "s3fs", "pip install 'streamaug[s3]'"),
    ],
)
def test_a_missing_package_is_named_with_its_own_remedy(monkeypatch: pytest.MonkeyPatch, url: str, package: str, remedy: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for protocol in ("s3", "gs", "abfs"):
        monkeypatch.delitem(_registry, protocol, raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match=f"needs the package '{package}', which is not installed; run: ") as caught:
        Store.open(url)
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize(
    ("url", "advice"),
    [("s33://bucket/store", "Did you mean 's3'?"), ("nothing-like-it://x", "Use a path, or a URL that begins with s3://")],
)
def test_an_unknown_protocol_is_named(url: str, advice: str) -> None:
    protocol = url.partition(":")[0]
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    assert f"unknown protocol '{protocol}'. {advice}" in str(caught.value)
