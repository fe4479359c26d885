"""Pages that name tests, such as docs/reliability.md and SECURITY.md, name some that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_page_names_exists_and_every_failure_names_one() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| (\d+|[^|]+) \|.*::", line)]
    assert len([row for row in rows if re.match(r"\| \d+ \|", row)]) == 14
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)
    assert len(named) > len(rows) > 30
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_test_that_a_page_names_exists() -> None:
    named = {
        (page, path, name)
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))
    }
    assert {"SECURITY.md", "reliability.md"} <= {page.name for page, *_ in named}
    for page, path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{page}: {path}::{name}"
