"""The doctor tells what this machine has, by trying it."""

import shutil
import sys
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.codecs import processes


def doctor(*arguments: str) -> tuple[int, str]:
    """Exit code and output, without the line breaks of the table."""
    result = CliRunner().invoke(app, ["doctor", "--rate", "16000", *arguments], env={"COLUMNS": "300"})
    return result.exit_code, " ".join(result.stdout.split())


def test_what_can_be_built_is_shown_with_encoder_and_version() -> None:
    code, told = doctor("--conditions", "original,mp3_32,mulaw_64+aac_32,pitch")
    assert code == 0
    for condition in ("original", "mp3_32", "mulaw_64+aac_32", "pitch"):
        assert condition in told
    assert f"libmp3lame (PyAV {av.__version__}" in told
    assert "effect pitch" in told
    assert "Codec g722: g722" in told
    assert "Stores on s3://: s3fs" in told


def test_what_cannot_be_built_is_shown_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for remembered in (processes.fdkaac_version, processes.ffmpeg_version, processes.ffmpeg_encoders):
        remembered.cache_clear()
    code, told = doctor("--conditions", "mp3_32,he-aac_16,mp3_900")
    for remembered in (processes.fdkaac_version, processes.ffmpeg_version, processes.ffmpeg_encoders):
        remembered.cache_clear()
    assert code == 1
    assert "libmp3lame" in told
    assert "condition step 'he-aac_16': this machine has no encoder for it" in told
    assert "install fdkaac" in told
    assert "condition step 'mp3_900': libmp3lame delivers" in told


def test_the_decoder_is_named_and_without_torchcodec_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError), reason="torchcodec does not load here")
    assert "Streams decode with torchcodec" in doctor("--conditions", "mp3_32")[1]
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    code, told = doctor("--conditions", "mp3_32")
    assert code == 0
    assert "Streams decode with PyAV" in told
    assert "apt-get install ffmpeg" in told


@pytest.mark.skipif(shutil.which("fdkaac") is None, reason="fdkaac is not installed")
def test_he_aac_is_coded_by_fdkaac_where_it_is_installed() -> None:
    code, told = doctor("--conditions", "he-aac_32")
    assert code == 0
    assert "fdkaac (fdkaac" in told
