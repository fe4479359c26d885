"""`streamaug doctor` shows what this machine has, by trying it."""

import shutil
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.codecs import decoder_version
from streamaug.codecs.encoders import fdkaac, ffmpeg


def doctor(*arguments: str) -> tuple[int, str]:
    """Exit code and output, without the line breaks of the table."""
    result = CliRunner().invoke(app, ["doctor", "--rate", "16000", *arguments], env={"COLUMNS": "300"})
    return result.exit_code, " ".join(result.stdout.split())


def test_what_can_be_built_is_shown_with_encoder_and_version() -> None:
    code, output = doctor("--conditions", "original,mp3_32,mulaw_64+aac_32,pitch")
    assert code == 0
    for condition in ("original", "mp3_32", "mulaw_64+aac_32", "pitch"):
        assert condition in output
    assert f"libmp3lame (PyAV {av.__version__}" in output
    assert "effect pitch" in output
    assert "Codec g722: g722" in output
    assert "Stores on s3://: s3fs" in output


def test_what_cannot_be_built_is_shown_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for cached in (fdkaac.version, ffmpeg.version, ffmpeg.encoder_names):
        cached.cache_clear()
    code, output = doctor("--conditions", "mp3_32,he-aac_16,mp3_900")
    for cached in (fdkaac.version, ffmpeg.version, ffmpeg.encoder_names):
        cached.cache_clear()
    assert code == 1
    assert "libmp3lame" in output
    assert "condition step 'he-aac_16': no encoder for codec 'he-aac' on this machine" in output
    assert "install fdkaac" in output
    assert "condition step 'mp3_900': codec 'mp3' at " in output


def test_the_decoders_are_named_with_their_versions() -> None:
    assert f"Decoders: {decoder_version()}" in doctor("--conditions", "mp3_32")[1]


def test_the_table_names_what_decodes_each_condition() -> None:
    output = doctor("--conditions", "original,g722_64")[1]
    assert "┃ condition ┃ encoder" in output
    assert "┃ delay (samples) ┃ decoder" in output
    assert "│ 0 │ miniaudio │" in output
    assert "│ PyAV │" in output


@pytest.mark.skipif(shutil.which("fdkaac") is None, reason="fdkaac is not installed")
def test_he_aac_is_encoded_by_fdkaac_where_it_is_installed() -> None:
    code, output = doctor("--conditions", "he-aac_32")
    assert code == 0
    assert "fdkaac (fdkaac" in output
