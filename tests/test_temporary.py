"""Temporary folders go when their process ends or, if it was killed, at the next sweep."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from streamaug.errors import FetchError
from streamaug.temporary import sweep, temporary_folder

HOLDING = """
import time
from streamaug.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "staged").write_bytes(b"tar")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def parent(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_removed_at_the_end_of_its_block(parent):
    with temporary_folder() as folder:
        (folder / "staged").write_bytes(b"tar")
        assert folder.parent == parent
    assert not list(parent.iterdir())


def test_a_folder_in_use_survives_a_sweep_and_that_of_a_killed_process_does_not(parent):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(parent)}
    )
    folder = Path(process.stdout.readline().strip())
    sweep()
    assert (folder / "staged").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "staged").exists()
    sweep()
    assert not folder.exists()


def test_an_old_leftover_without_a_lock_is_swept_but_no_folder_of_the_user(parent):
    leftover, fresh, of_user = (parent / f"streamaug-{name}" for name in ("leftover", "fresh", "research"))
    for folder, file in ((leftover, "staged"), (fresh, "staged"), (of_user, "results.csv")):
        folder.mkdir()
        (folder / file).write_text("1")
    for folder in (leftover, of_user):
        os.utime(folder, (time.time() - 7_200,) * 2)
    sweep()
    assert sorted(path.name for path in parent.iterdir()) == ["streamaug-fresh", "streamaug-research"]


def test_a_link_to_a_folder_elsewhere_is_not_followed(parent, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "staged").write_text("1")
    os.utime(elsewhere, (time.time() - 7_200,) * 2)
    (parent / "streamaug-link").symlink_to(elsewhere)
    sweep()
    assert (elsewhere / "staged").exists()


def test_without_a_temporary_folder_the_error_names_tmpdir(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(FetchError, match="set TMPDIR"), temporary_folder():
        pass
    sweep()
