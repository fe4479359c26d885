"""Progress in a log file: a line when a stage begins, and one now and then with rate and time left."""

import io

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
