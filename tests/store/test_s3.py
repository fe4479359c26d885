"""Stores on S3, over real HTTP, with and without faults on the way."""

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
import s3fs

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import FetchError
from streamaug.store import Store, connection
from streamaug.store import folder as store_folder
from streamaug.store.folder import Folder
from streamaug.verifying.verify import verify
from tests.building.clips import content, without_times, write_clips
from tests.servers import Fault, Faults, faulty

CONDITIONS = parse_conditions("original,mp3_32,mulaw_64+mp3_32@lame-vbr")
TWICE = replace(store_folder.REMOTE, attempts=2)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 8)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> dict[str, bytes]:
    """Content of the same store, built on this machine's disk."""
    folder = tmp_path_factory.mktemp("local") / "store"
    make(clips, str(folder))
    return content(folder)


def make(clips: Path, store: str) -> None:
    with ThreadPoolExecutor(2) as executor:
        build(clips, store, conditions=CONDITIONS, clips_per_shard=3, executor=executor)


def objects(s3_url: str, bucket: str) -> dict[str, bytes]:
    """Content of a bucket, read without the proxy."""
    client = boto3.client("s3", endpoint_url=s3_url)
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    files = {entry["Key"].removeprefix("store/"): client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}
    return without_times(files)


@contextmanager
def through(s3_url: str, faults: Faults, environment: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 as seen through a proxy with faults."""
    with faulty(s3_url, faults) as url:
        environment.setenv("AWS_ENDPOINT_URL", url)
        s3fs.S3FileSystem.clear_instance_cache()
        yield
        environment.setenv("AWS_ENDPOINT_URL", s3_url)
        s3fs.S3FileSystem.clear_instance_cache()


def rarely(kinds: tuple[Fault, ...], seed: int, share: float = 0.2) -> Faults:
    """Random faults, never twice in a row for the same request, so that a second try succeeds."""
    generator, failed, lock = random.Random(seed), set(), threading.Lock()

    def faults(method: str, path: str) -> Fault | None:
        with lock:
            if (method, path) in failed or generator.random() > share:
                failed.discard((method, path))
                return None
            failed.add((method, path))
            return generator.choice(kinds)

    return faults


def test_the_command_builds_onto_s3_and_verifies_there_with_boto_s_environment_variables(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str
) -> None:
    store = f"s3://{bucket}/store"
    command = [sys.executable, "-m", "streamaug"]
    names = ",".join(map(str, CONDITIONS))
    subprocess.run([*command, "build", str(clips), store, "--conditions", names, "--clips-per-shard", "3", "--workers", "1"], check=True)
    assert objects(s3_url, bucket) == local
    subprocess.run([*command, "verify", store, "--decode", "--workers", "1"], check=True)


@pytest.mark.parametrize("kind", ["refuse", "cut", "lose", "shorten", "slow"])
def test_a_build_through_faults_ends_with_the_same_bytes(
    kind: Fault, clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    with through(s3_url, rarely((kind,), seed=1), s3_environment):
        make(clips, f"s3://{bucket}/store")
        with ThreadPoolExecutor(2) as executor:
            assert verify(Store.open(f"s3://{bucket}/store"), decode=True, executor=executor).findings == ()
    assert objects(s3_url, bucket) == local


def test_a_server_that_keeps_refusing_ends_a_build_with_a_clear_error_and_no_index_and_the_next_build_resumes(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    def faults(method: str, path: str) -> Fault | None:
        return "refuse" if method == "PUT" and re.search(r"store/mp3_32/.*\.tar", path) else None

    s3_environment.setattr(store_folder, "REMOTE", TWICE)
    with (
        through(s3_url, faults, s3_environment),
        pytest.raises(FetchError, match=r"s3://.*/mp3_32/.*\.tar: writing failed after 2 tries"),
    ):
        make(clips, f"s3://{bucket}/store")
    assert not [name for name in objects(s3_url, bucket) if "index-" in name or name.endswith("store.json")]
    make(clips, f"s3://{bucket}/store")
    assert objects(s3_url, bucket) == local


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_connection_that_hangs_is_closed_and_reported(method: str, s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    Folder.at(f"s3://{bucket}").write("old", b"1")
    s3_environment.setattr(store_folder, "REMOTE", TWICE)
    s3_environment.setattr(connection, "_SILENCE_S", 0.1)
    with through(s3_url, lambda verb, _: "hang" if verb == method else None, s3_environment):
        folder = Folder.at(f"s3://{bucket}")
        with pytest.raises(FetchError, match="failed after 2 tries"):
            folder.read("old") if method == "GET" else folder.write("new", b"2")
    assert set(objects(s3_url, bucket)) == {"old"}


def test_a_connection_that_hangs_once_does_no_harm(s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setattr(connection, "_SILENCE_S", 0.1)
    with through(s3_url, rarely(("hang",), seed=0, share=1.0), s3_environment):
        folder = Folder.at(f"s3://{bucket}")
        folder.write("new", b"123456")
        assert folder.read_range("new", 2, 4) == b"34"
        assert folder.size("new") == 6


@pytest.mark.parametrize("lasting", [True, False], ids=["for good", "for a moment"])
def test_a_shard_sent_in_parts_that_is_cut_off_leaves_no_file(
    lasting: bool, s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    size, cuts = 101 << 20, []

    def faults(method: str, path: str) -> Fault | None:
        if "partNumber=2" in path and (lasting or not cuts):
            cuts.append(path)
            return "cut"
        return None

    s3_environment.setattr(store_folder, "REMOTE", store_folder.LOCAL if lasting else TWICE)
    with through(s3_url, faults, s3_environment):
        folder = Folder.at(f"s3://{bucket}/store")

        def send() -> None:
            with folder.staged("mp3_32/shard.tar") as path, path.open("wb") as file:
                file.truncate(size)

        if lasting:
            with pytest.raises(FetchError, match="writing failed"):
                send()
            assert folder.names("mp3_32") == []
        else:
            send()
            assert folder.size("mp3_32/shard.tar") == size
    assert cuts
    assert "Uploads" not in boto3.client("s3", endpoint_url=s3_url).list_multipart_uploads(Bucket=bucket)


def test_a_missing_bucket_is_an_error_that_says_so(clips: Path, s3_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="create the bucket first"):
        make(clips, "s3://no-such-bucket-here/store")


def test_denied_access_is_not_tried_again(s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    requests: list[str] = []

    def faults(method: str, path: str) -> Fault | None:
        requests.append(path)
        return "forbid"

    with through(s3_url, faults, s3_environment), pytest.raises(FetchError, match="PermissionError"):
        Store.open(f"s3://{bucket}/store")
    assert len(requests) == 1


def test_what_others_wrote_or_removed_since_is_seen(s3_url: str, bucket: str) -> None:
    folder = Folder.at(f"s3://{bucket}/store")
    client = boto3.client("s3", endpoint_url=s3_url)
    folder.write("mp3_32/a", b"1")
    assert (folder.names("mp3_32"), folder.size("mp3_32/a")) == (["a"], 1)
    client.put_object(Bucket=bucket, Key="store/mp3_32/a", Body=b"123")
    client.put_object(Bucket=bucket, Key="store/mp3_32/b", Body=b"1")
    assert (folder.names("mp3_32"), folder.size("mp3_32/a"), folder.exists("mp3_32/b")) == (["a", "b"], 3, True)
    client.delete_object(Bucket=bucket, Key="store/mp3_32/a")
    assert (folder.names("mp3_32"), folder.exists("mp3_32/a")) == (["b"], False)


def test_sources_on_s3_are_read_through_faults_and_none_is_reported_as_broken(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Folder.at(f"s3://{bucket}/clips")
    for path in clips.parent.iterdir():
        source.write(path.name, path.read_bytes())
    table = tmp_path / "clips.csv"
    table.write_text(clips.read_text().replace("clip0", f"s3://{bucket}/clips/clip0"))
    with through(s3_url, rarely(("refuse", "cut", "shorten"), seed=2), s3_environment):
        make(table, str(tmp_path / "store"))
    assert content(tmp_path / "store") == local
