"""Text that came from elsewhere is shown escaped: in tables, messages, warnings and bars."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.cli.console import ProgressBar, Terminal
from streamaug.errors import ClipsError
from streamaug.printable import escape_controls, has_controls

HOSTILE = "\x1b]0;title\x07 \x9b31m \u202eabc\u2066 \udc80"
SHOWN = r"\x1b]0;title\x07 \x9b31m \u202eabc\u2066 \udc80"


@given(st.text(st.characters()))
def test_what_is_escaped_holds_no_controls_and_escaping_again_changes_nothing(text):
    shown = escape_controls(text)
    assert not has_controls(shown)
    assert escape_controls(shown) == shown
    assert (shown == text) == (not has_controls(text))


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_letters_marks_and_signs_of_all_languages_stay(text):
    assert escape_controls(text) == text


def shown_by(*objects, **options) -> str:
    sink = io.StringIO()
    Terminal(file=sink, force_terminal=True, color_system=None, width=200).print(*objects, **options)
    return sink.getvalue()


def test_a_terminal_shows_a_message_escaped_and_its_lines_as_lines():
    assert shown_by(f"one {HOSTILE}\ntwo") == f"one {SHOWN}\ntwo\n"


@pytest.mark.parametrize("label", ["[red]", "[/]", ":dog:", HOSTILE, "5", "[bold]x[/bold]"])
def test_a_cell_of_a_table_shows_a_label_as_it_is(label):
    from rich.table import Table

    table = Table("label", "clips")
    table.add_row(label, "1")
    shown = shown_by(table)
    assert f" {escape_controls(label)} " in shown
    assert not any(has_controls(line) for line in shown.splitlines())


def test_an_error_that_nobody_catches_is_escaped_in_its_traceback():
    program = "from streamaug.errors import ClipsError; raise ClipsError('clip \\x1b]0;title\\x07')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert r"ClipsError: clip \x1b]0;title\x07" in result.stderr
    assert str(ClipsError(f"a\n{HOSTILE}")) == f"a\n{SHOWN}"


def test_a_stage_and_a_message_of_progress_are_one_line_each(capsys):
    with ProgressBar() as progress:
        progress.begin("stage\r\x1b[2J", 3)
        progress.say("a name\nerror: forged")
    printed = capsys.readouterr().err.rstrip("\n")
    assert printed == "stage\\r\\x1b[2J: 3\na name\\nerror: forged"
