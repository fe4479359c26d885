"""Stores on S3, over real HTTP, with and without faults on the way."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import s3fs

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import FetchError
from streamaug.store import Store
from streamaug.store import folder as store_folder
from streamaug.store.folder import Folder
from streamaug.verifying.verify import verify
from tests.building.clips import content, write_clips
from tests.servers import Fault, Faults, faulty

CONDITIONS = parse_conditions("original,mp3_32,mulaw_64+mp3_32")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 8)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> dict[str, bytes]:
    """What the same build makes on this machine's disk."""
    folder = tmp_path_factory.mktemp("local") / "store"
    make(clips, str(folder))
    return content(folder)


def make(clips: Path, store: str) -> None:
    with ThreadPoolExecutor(2) as executor:
        build(clips, store, conditions=CONDITIONS, clips_per_shard=3, executor=executor)


def objects(s3_url: str, bucket: str) -> dict[str, bytes]:
    """What a bucket holds, asked around the proxy."""
    client = boto3.client("s3", endpoint_url=s3_url)
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {entry["Key"].removeprefix("store/"): client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}


@contextmanager
def through(s3_url: str, faults: Faults, environment: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 as seen through a proxy with faults."""
    with faulty(s3_url, faults) as url:
        environment.setenv("AWS_ENDPOINT_URL", url)
        s3fs.S3FileSystem.clear_instance_cache()
        yield
        environment.setenv("AWS_ENDPOINT_URL", s3_url)
        s3fs.S3FileSystem.clear_instance_cache()


def seldom(kinds: tuple[Fault, ...], seed: int, share: float = 0.2) -> Faults:
    """Faults at random, never twice in a row for a request, so that retrying must help."""
    generator, spoilt, lock = random.Random(seed), set(), threading.Lock()

    def faults(method: str, path: str) -> Fault | None:
        with lock:
            if (method, path) in spoilt or generator.random() > share:
                spoilt.discard((method, path))
                return None
            spoilt.add((method, path))
            return generator.choice(kinds)

    return faults


def test_the_command_builds_onto_s3_and_verifies_there_with_boto_s_environment_variables(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str
) -> None:
    store = f"s3://{bucket}/store"
    told = [sys.executable, "-m", "streamaug"]
    names = ",".join(map(str, CONDITIONS))
    subprocess.run([*told, "build", str(clips), store, "--conditions", names, "--clips-per-shard", "3", "--workers", "1"], check=True)
    assert objects(s3_url, bucket) == local
    subprocess.run([*told, "verify", store, "--decode", "--workers", "1"], check=True)


@pytest.mark.parametrize("kind", ["refuse", "cut", "lose", "shorten", "slow"])
def test_a_build_through_faults_ends_with_the_same_bytes(
    kind: Fault, clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    with through(s3_url, seldom((kind,), seed=1), s3_environment):
        make(clips, f"s3://{bucket}/store")
        with ThreadPoolExecutor(2) as executor:
            assert verify(Store.open(f"s3://{bucket}/store"), decode=True, executor=executor).findings == ()
    assert objects(s3_url, bucket) == local


def test_a_server_that_keeps_refusing_ends_a_build_with_a_clear_error_and_no_index_and_the_next_build_goes_on(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    def faults(method: str, path: str) -> Fault | None:
        return "refuse" if method == "PUT" and "/mp3_32/" in path and "000001" in path else None

    s3_environment.setattr(store_folder, "ATTEMPTS", 2)
    with (
        through(s3_url, faults, s3_environment),
        pytest.raises(FetchError, match=r"s3://.*/mp3_32/.*-000001.tar: writing failed after 2 tries"),
    ):
        make(clips, f"s3://{bucket}/store")
    assert not [name for name in objects(s3_url, bucket) if name.endswith("index.parquet")]
    make(clips, f"s3://{bucket}/store")
    assert objects(s3_url, bucket) == local


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_connection_that_hangs_is_ended_and_told_about(method: str, s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    Folder.at(f"s3://{bucket}").write("there", b"1")
    s3_environment.setattr(store_folder, "ATTEMPTS", 2)
    s3_environment.setattr(store_folder, "_SILENCE", 0.1)
    with through(s3_url, lambda asked, _: "hang" if asked == method else None, s3_environment):
        folder = Folder.at(f"s3://{bucket}")
        with pytest.raises(FetchError, match="failed after 2 tries"):
            folder.read("there") if method == "GET" else folder.write("new", b"2")
    assert set(objects(s3_url, bucket)) == {"there"}


def test_a_connection_that_hangs_once_does_no_harm(s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setattr(store_folder, "_SILENCE", 0.1)
    with through(s3_url, seldom(("hang",), seed=0, share=1.0), s3_environment):
        folder = Folder.at(f"s3://{bucket}")
        folder.write("new", b"123456")
        assert folder.read_range("new", 2, 4) == b"34"
        assert folder.size("new") == 6


@pytest.mark.parametrize("lasting", [True, False], ids=["for good", "for a moment"])
def test_a_shard_sent_in_parts_that_is_cut_off_leaves_nothing_to_be_seen(
    lasting: bool, s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch
) -> None:
    size, cuts = 101 << 20, []

    def faults(method: str, path: str) -> Fault | None:
        if "partNumber=2" in path and (lasting or not cuts):
            cuts.append(path)
            return "cut"
        return None

    s3_environment.setattr(store_folder, "ATTEMPTS", 1 if lasting else 2)
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


def test_a_missing_bucket_is_told_about(clips: Path, s3_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match="make the bucket first"):
        make(clips, "s3://nobody-made-this/store")


def test_a_door_that_is_shut_is_not_knocked_at_again(s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def faults(method: str, path: str) -> Fault | None:
        asked.append(path)
        return "forbid"

    with through(s3_url, faults, s3_environment), pytest.raises(FetchError, match="PermissionError"):
        Store.open(f"s3://{bucket}/store")
    assert len(asked) == 1


def test_what_others_wrote_or_removed_meanwhile_is_seen(s3_url: str, bucket: str) -> None:
    folder = Folder.at(f"s3://{bucket}/store")
    client = boto3.client("s3", endpoint_url=s3_url)
    folder.write("mp3_32/a", b"1")
    assert (folder.names("mp3_32"), folder.size("mp3_32/a")) == (["a"], 1)
    client.put_object(Bucket=bucket, Key="store/mp3_32/a", Body=b"123")
    client.put_object(Bucket=bucket, Key="store/mp3_32/b", Body=b"1")
    assert (folder.names("mp3_32"), folder.size("mp3_32/a"), folder.exists("mp3_32/b")) == (["a", "b"], 3, True)
    client.delete_object(Bucket=bucket, Key="store/mp3_32/a")
    assert (folder.names("mp3_32"), folder.exists("mp3_32/a")) == (["b"], False)


def test_sources_on_s3_are_read_through_faults_and_none_is_called_broken_for_them(
    clips: Path, local: dict[str, bytes], s3_url: str, bucket: str, s3_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Folder.at(f"s3://{bucket}/clips")
    for path in clips.parent.iterdir():
        source.write(path.name, path.read_bytes())
    table = tmp_path / "clips.csv"
    table.write_text(clips.read_text().replace("clip0", f"s3://{bucket}/clips/clip0"))
    with through(s3_url, seldom(("refuse", "cut", "shorten"), seed=2), s3_environment):
        make(table, str(tmp_path / "store"))
    assert content(tmp_path / "store") == local
