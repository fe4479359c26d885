"""Report everything that is wrong with a table of clips together, without flooding the terminal."""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from streamaug.building.spreadsheet import safe_csv
from streamaug.errors import ClipsError
from streamaug.files import write_whole
from streamaug.printable import escape_controls
from streamaug.progress import Progress

LINES_PER_KIND = 20
"""Lines about problems of the same kind; the others are only in the file."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with one clip, or with the table itself.

    Args:
        row: Its row in the table of clips, counted from 1. 0: the problem is the table's.
        clip_id: Its id, or "" if it has none.
        path: Its audio file, or the table.
        severity: Errors stop a build, warnings do not.
        message: What is wrong, and what to do.
        origin: What people know the file by, if it was unpacked for the build; such clips have no
            row in a table that anybody has written.

    >>> print(Problem(row=3, clip_id="a", path="a.wav", severity="error", message="missing"))
    clip 'a' (a.wav, row 3): missing
    >>> print(Problem(row=3, clip_id="a", path="/tmp/0.wav", severity="error", message="missing", origin="x.tar: a.wav"))
    clip 'a' (x.tar: a.wav): missing
    """

    row: int
    clip_id: str
    path: str
    severity: Literal["error", "warning"]
    message: str
    origin: str = ""

    @property
    def kind(self) -> str:
        """What problems of different clips have in common: the message up to the first detail.

        >>> Problem(row=1, clip_id="a", path="a.wav", severity="error", message="truncated: 9 bytes of 20").kind
        'truncated'
        """
        plain = re.match(r"[^:;'\"\d(]*", self.message)
        return plain[0].strip() if plain else ""

    def __str__(self) -> str:
        place = escape_controls(self.origin or f"{self.path}, row {self.row}")
        where = f"clip '{escape_controls(self.clip_id)}' ({place})" if self.row else f"clips table {escape_controls(self.path)}"
        return f"{where}: {escape_controls(self.message)}"


def traced(problems: Iterable[Problem], origins: Mapping[str, str]) -> list[Problem]:
    """Problems with the origins of their files.

    Args:
        problems: The problems.
        origins: Where files come from, by path.
    """
    return [replace(problem, origin=origins.get(problem.path, "")) for problem in problems]


class BrokenSourcesError(ClipsError):
    """The table or its sources have errors, so nothing is built.

    Args:
        problems: All problems, errors first, warnings too.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [problem for problem in problems if problem.severity == "error"]
        more = f" and {len(errors) - 1} more {'problem' if len(errors) == 2 else 'problems'}" if len(errors) > 1 else ""
        remedy = "fix the table" if any(not error.row for error in errors) else "fix the table, or build the rest with --skip-bad"
        super().__init__(f"{errors[0]}{more}; nothing was written; {remedy}")

    def __reduce__(self) -> tuple[type["BrokenSourcesError"], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


def report(problems: Sequence[Problem], progress: Progress, file: Path) -> None:
    """Log problems, at most 20 of each kind; if there are more, write all of them to a file.

    Args:
        problems: In the order in which they are logged.
        progress: Who gets to see the lines.
        file: Where to write; if that is not possible, a temporary file is written instead.
    """
    by_kind: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.severity, problem.kind].append(problem)
    hidden = sum(max(0, len(of_kind) - LINES_PER_KIND) for of_kind in by_kind.values())
    written = _write(problems, file) if hidden else file
    for (severity, kind), of_kind in by_kind.items():
        for problem in of_kind[:LINES_PER_KIND]:
            progress.say(f"{severity}: {problem}")
        if len(of_kind) > LINES_PER_KIND:
            progress.say(f"{severity}: {len(of_kind) - LINES_PER_KIND} more of this kind ({kind}); {written} lists all of them")


def _write(problems: Sequence[Problem], file: Path) -> Path:
    rows = [(problem.severity, problem.row, problem.clip_id, problem.origin or problem.path, problem.message) for problem in problems]
    content = safe_csv(["severity", "row", "clip_id", "path", "problem"], rows)
    try:
        write_whole(file, content)
    except OSError:  # a folder that is read-only or does not exist: the list is worth another place
        with tempfile.NamedTemporaryFile(prefix="streamaug-problems-", suffix=".csv", delete=False) as other:
            other.write(content)
        return Path(other.name)
    return file
