"""Progress in a log file, and characters that its encoding lacks."""

import io
import os
import subprocess
import sys

import pytest

from streamaug.cli import console


def test_a_log_file_gets_a_line_now_and_then_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = 0.0, io.StringIO()
    monkeypatch.setattr(console, "stderr", console.Terminal(file=log))
    with console.ProgressBar() as bar:
        monkeypatch.setattr(bar._bars, "get_time", lambda: now)
        bar.begin("encoding clips into shards", 1000)
        for _ in range(4):
            now += 20.0
            bar.advance(100)
    assert log.getvalue().splitlines() == [
        "encoding clips into shards: 1000",
        "encoding clips into shards: 200 of 1000, 5.0 per second, 0:02:40 left",
        "encoding clips into shards: 400 of 1000, 5.0 per second, 0:02:00 left",
    ]


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("latin-1", "-0.450 to +0.1 é, \\u72ac..."), ("ascii", "-0.450 to +0.1 \\xe9, \\u72ac..."), ("utf-8", "−0.450 to +0.1 é, 犬…")],
)
def test_a_character_that_an_encoding_lacks_is_replaced_or_escaped(encoding: str, expected: str) -> None:
    code = """
import typer
from streamaug.cli.console import run, stdout
app = typer.Typer()
@app.command()
def main() -> None:
    stdout.print("−0.450 to +0.1 é, 犬…")
run(app)
"""
    command = [sys.executable, "-X", "utf8=0", "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (done.stdout.decode(encoding), done.stderr) == (f"{expected}\n", b"")
