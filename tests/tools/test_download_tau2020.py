import io
import zipfile
from hashlib import md5

import numpy as np
import pytest

from streamaug.errors import FetchError
from tests.tools.archive_server import archive_server
from tools.download_tau2020 import ARCHIVES, BLOCK, NAME, PATIENCE, fetch


@pytest.fixture
def server():
    with archive_server() as server:
        yield server


AUDIO = np.random.default_rng(0).bytes(300_000)


def zipped(files):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.fixture
def published(server):
    """Two archives on the server; returns their checksums."""
    server.files = {
        "meta.zip": zipped({f"{NAME}/meta.csv": b"filename\n", f"{NAME}/evaluation_setup/fold1_test.csv": b"filename\n"}),
        "audio.zip": zipped({f"{NAME}/audio/bus-oslo-1-2-a.wav": AUDIO}),
    }
    return {name: f"md5:{md5(data, usedforsecurity=False).hexdigest()}" for name, data in server.files.items()}


def run(server, folder, published):
    naps = []
    fetch(folder, archives=published, url=server.url, sleep=naps.append)
    return naps


def assert_whole(folder):
    assert (folder / "audio" / "bus-oslo-1-2-a.wav").read_bytes() == AUDIO
    assert (folder / "meta.csv").read_bytes() == b"filename\n"
    assert (folder / "evaluation_setup" / "fold1_test.csv").is_file()
    assert not list(folder.rglob("*.part"))
    assert sorted(path.name for path in (folder / "archives").iterdir()) == ["audio.zip", "meta.zip"]


def test_archives_are_fetched_checked_and_unpacked_without_their_top_folder(server, published, tmp_path):
    assert run(server, tmp_path, published) == []
    assert_whole(tmp_path)


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(server, published, tmp_path):
    server.faults.extend([None, 2 * BLOCK + 7, BLOCK])
    naps = run(server, tmp_path, published)
    assert_whole(tmp_path)
    assert server.ranges == [None, None, f"bytes={2 * BLOCK}-", f"bytes={3 * BLOCK}-"]
    assert len(naps) == 2


def test_a_later_run_resumes_where_one_that_gave_up_stopped(server, published, tmp_path):
    server.faults.extend([None, BLOCK, *[503] * PATIENCE])
    with pytest.raises(FetchError, match=r"audio\.zip.*503.*resumes after 65536 bytes"):
        run(server, tmp_path, published)
    assert not (tmp_path / "audio").exists()
    server.ranges.clear()
    run(server, tmp_path, published)
    assert_whole(tmp_path)
    assert server.ranges == [f"bytes={BLOCK}-"]


def test_a_server_that_is_busy_is_asked_again_more_and_more_slowly(server, published, tmp_path):
    server.faults.extend([503, 429, 500])
    assert run(server, tmp_path, published) == [2, 4, 8]
    assert_whole(tmp_path)


def test_a_server_without_ranges_sends_the_whole_again(server, published, tmp_path):
    server.faults.extend([None, BLOCK, "no ranges"])
    run(server, tmp_path, published)
    assert_whole(tmp_path)


def test_what_was_fetched_to_the_last_byte_but_not_put_in_place_is_not_fetched_again(server, published, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "audio.zip.part").write_bytes(server.files["audio.zip"])
    run(server, tmp_path, published)
    assert_whole(tmp_path)
    assert server.ranges == [None, f"bytes={len(server.files['audio.zip'])}-"]


def test_kept_bytes_longer_than_the_file_are_thrown_away(server, published, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "audio.zip.part").write_bytes(bytes(400_000))
    run(server, tmp_path, published)
    assert_whole(tmp_path)


def test_an_altered_archive_is_refused_and_not_unpacked(server, published, tmp_path):
    server.files["audio.zip"] = zipped({f"{NAME}/audio/bus-oslo-1-2-a.wav": AUDIO[::-1]})
    with pytest.raises(FetchError, match=r"audio\.zip.*does not match the published checksum"):
        run(server, tmp_path, published)
    assert not (tmp_path / "audio").exists()
    assert [path.name for path in (tmp_path / "archives").iterdir()] == ["meta.zip"]


def test_an_archive_that_does_not_exist_is_not_asked_for_twice(server, published, tmp_path):
    del server.files["audio.zip"]
    with pytest.raises(FetchError, match=r"audio\.zip.*404"):
        run(server, tmp_path, published)
    assert len(server.ranges) == 2


def test_a_second_run_fetches_nothing_and_mends_what_was_lost(server, published, tmp_path):
    run(server, tmp_path, published)
    server.ranges.clear()
    (tmp_path / "audio" / "bus-oslo-1-2-a.wav").write_bytes(AUDIO[:1_000])
    run(server, tmp_path, published)
    assert_whole(tmp_path)
    assert server.ranges == []


@pytest.mark.parametrize("name", [f"{NAME}/../../evil.wav", "/etc/evil.wav", "evil.wav", "other/evil.wav"])
def test_a_member_outside_the_data_sets_folder_is_refused(server, tmp_path, name):
    server.files = {"audio.zip": zipped({name: b"evil"})}
    checksum = f"md5:{md5(server.files['audio.zip'], usedforsecurity=False).hexdigest()}"
    with pytest.raises(FetchError, match="is not in the folder"):
        run(server, tmp_path / "tau", {"audio.zip": checksum})
    assert not list(tmp_path.rglob("evil.wav"))


def test_the_published_archives_are_eighteen_each_with_a_checksum_of_its_own():
    assert len(ARCHIVES) == len(set(ARCHIVES.values())) == 18
