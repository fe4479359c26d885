"""The server gives what is in the store and nothing else, to this machine and to nobody under another name."""

import http.client
import json
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import pytest
import soundfile

from streamaug.errors import CorruptError, StoreError
from streamaug.explore.explorer import Explorer
from streamaug.explore.serve import address_of, listening_socket
from streamaug.store import Store
from tests.explore.conftest import BROKEN, CONDITIONS, started
from tests.servers import python_web_server


def ask(server: str, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer; the path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def api(name: str, **parameters: str) -> str:
    return f"/api/{name}?{urlencode(parameters)}"


def test_a_sound_and_a_bitstream_are_those_of_the_store(server: str, store: Store) -> None:
    for condition in CONDITIONS:
        status, headers, _ = ask(server, api("sound", condition=condition, clip="clip03"))
        assert (status, headers["content-type"]) == (200, "audio/flac")
        location = store.location(condition, "clip03")
        assert ask(server, api("bitstream", condition=condition, clip="clip03"))[2] == location.read(store.folder)


@pytest.mark.parametrize(
    "path",
    [
        "/../store.json",
        "/static/../../../store.json",
        "/static/..%2f..%2fpage.html.jinja",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/",
        "/static/page.html.jinja",
        "/store.json",
        "/etc/passwd",
        "//etc/passwd",
        "/api/",
        "/api/sound/../../store.json",
        "/docs",
        "/openapi.json",
        "/%00",
    ],
)
def test_no_path_leads_out_of_what_is_served(server: str, path: str) -> None:
    status, _, body = ask(server, path)
    assert (status, body) == (404, b"Not Found")


@pytest.mark.parametrize(
    "condition", ["../original", "original/../original", "/etc", "", "mp3_24/", "original%00", "~", "opus_64", "mp3_24~loss10"]
)
@pytest.mark.parametrize("name", ["sound", "bitstream"])
def test_a_condition_that_the_store_lacks_is_an_error_in_words(server: str, name: str, condition: str) -> None:
    status, _, body = ask(server, api(name, condition=condition, clip="clip00"))
    assert status == 404
    assert json.loads(body)["error"].startswith(f"no condition '{condition}' in the store")


@pytest.mark.parametrize("clip", ["../clip00", "", "clip00\n", "clip00'--", "store.json", "é" * 50])
def test_a_clip_that_the_store_lacks_is_an_error_in_words(server: str, clip: str) -> None:
    for path in (api("clip", clip=clip), api("sound", condition="original", clip=clip)):
        status, _, body = ask(server, path)
        assert status == 404
        assert json.loads(body)["error"].startswith("no clip '")


@pytest.mark.parametrize(
    "query", ["filter=x", "filter=[]", "filter=" + quote('["nothing","is","x"]'), "start=-1", "start=1e3", "filter=" + "[" * 5000]
)
def test_a_query_that_makes_no_sense_is_an_error_in_words(server: str, query: str) -> None:
    status, _, body = ask(server, f"/api/clips?{query}")
    assert status in (400, 404)
    assert json.loads(body)["error"]


def test_a_broken_clip_is_an_error_in_words_and_no_fault_of_the_server(server: str) -> None:
    status, _, body = ask(server, api("sound", condition="mp3_24", clip=BROKEN))
    assert status == 422
    assert "does not match its sha256 in the index" in json.loads(body)["error"]
    assert ask(server, api("sound", condition="mp3_64", clip=BROKEN))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "0", "192.168.1.2"]
)
def test_a_foreign_name_is_refused(server: str, host: str) -> None:
    for path in ("/", api("clip", clip="clip00"), "/static/main.js"):
        status, _, body = ask(server, path, host=host)
        assert status == 421
        assert b"answers only to its own name" in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:80"])
def test_its_own_names_are_answered(server: str, host: str) -> None:
    assert ask(server, "/", host=host)[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/nothing", api("clip", clip="clip00"), api("sound", condition="original", clip="clip00")]
)
def test_every_answer_forbids_what_the_page_does_not_need(server: str, path: str) -> None:
    headers = ask(server, path)[1]
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_nothing_can_be_written(server: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask(server, api("clip", clip="clip00"), method=method)[0] == 405


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        with pytest.raises(StoreError, match=r"cannot listen at 127.0.0.1, port \d+: .*; choose another port with --port"):
            listening_socket("127.0.0.1", taken.getsockname()[1])
        assert address_of(taken).startswith("http://127.0.0.1:")
    with pytest.raises(StoreError, match="choose an address of this machine with --host"):
        listening_socket("192.0.2.1", 0)


def test_ctrl_c_ends_it_though_browsers_hold_connections(store_path: Path) -> None:
    with started(store_path, "--no-browser", "--host", "0.0.0.0") as (process, url):
        address = urlsplit(url)
        assert address.hostname == "localhost"
        with socket.create_connection(("127.0.0.1", address.port)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 200"
            with socket.create_connection(("127.0.0.1", address.port)) as begun:
                begun.sendall(b"GET / HT")
                process.send_signal(signal.SIGINT)
                errors = process.communicate(timeout=20)[1]
        assert process.returncode == 128 + signal.SIGINT
    assert errors.splitlines() == [
        "warning: everybody who can reach 0.0.0.0 can hear and read this store; --host 127.0.0.1 keeps it to this machine",
        "interrupted",
    ]


def test_the_page_opens_in_the_browser_of_the_user(store_path: Path, tmp_path: Path) -> None:
    browser, page = tmp_path / "browser", tmp_path / "page"
    browser.write_text(f"#!{sys.executable}\nimport sys, urllib.request\nurllib.request.urlretrieve(sys.argv[1], {str(page)!r})\n")
    browser.chmod(0o755)
    with started(store_path, BROWSER=f"{browser} %s"):
        end = time.monotonic() + 20
        while not page.exists() or "</html>" not in page.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_store_on_a_web_server_is_served_too(store_path: Path, store: Store, tmp_path: Path) -> None:
    with python_web_server(store_path.parent) as url:
        explorer = Explorer(Store.open(f"{url}/store"), tmp_path)
        details = explorer.clip("clip07")
        assert [each["name"] for each in details["conditions"]] == list(CONDITIONS)
        assert explorer.bitstream("mp3_24", "clip07")[1] == store.location("mp3_24", "clip07").read(store.folder)


def test_every_entry_of_a_clip_is_that_of_the_index(store: Store, tmp_path: Path) -> None:
    explorer = Explorer(store, tmp_path)
    for clip_id in store.clips["clip_id"].to_pylist():
        for entry in explorer.clip(clip_id)["conditions"]:
            location = store.location(entry["name"], clip_id)
            assert (entry["shard"], entry["offset"], entry["bytes"], entry["sha256"], entry["delay"]) == (
                location.shard,
                location.offset,
                location.size,
                location.sha256.hex(),
                location.delay,
            )


def test_a_sound_is_what_store_read_gives(explorer: Explorer, store: Store, tmp_path: Path) -> None:
    for condition in CONDITIONS:
        path = tmp_path / "sound.flac"
        path.write_bytes(explorer.sound(condition, "clip05").data)
        heard, rate = soundfile.read(path, dtype="float32")
        audio = store.read(condition, "clip05")
        assert rate == audio.rate
        np.testing.assert_allclose(heard, np.clip(audio.samples, -1, 1), atol=1 / 32768)


def test_a_table_that_was_changed_is_refused(store_path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(store_path, copy)
    index = next((copy / "mp3_64").glob("index-*.parquet"))
    index.write_bytes(index.read_bytes()[:-1] + b"x")
    explorer = Explorer(Store.open(copy), tmp_path)
    (entry,) = (each for each in explorer.clip("clip00")["conditions"] if each["name"] == "mp3_64")
    assert "does not match its sha256 in the manifest" in entry["error"]
    assert explorer.sound("mp3_24", "clip00").data
    clips = next(copy.glob("clips-*.parquet"))
    clips.unlink()
    with pytest.raises(CorruptError, match="is missing, though the manifest names it"):
        Explorer(Store.open(copy), tmp_path)
