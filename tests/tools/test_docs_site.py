"""A page of docs/ as the site shows it: links to files of the repository, and docstrings."""

import pytest

from tools.docs_site import DOCS, docstring_source, page_source


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("../streamaug/errors.py", "https://github.com/streamaug/streamaug/blob/main/streamaug/errors.py"),
        ("../tests/plugin", "https://github.com/streamaug/streamaug/tree/main/tests/plugin"),
        ("../shards/README.md#shards", "reference/store-format.md#shards"),
        ("../SECURITY.md", "explanation/security.md"),
        ("./recipes.md#union", "recipes.md#union"),
        ("recipes.md", "recipes.md"),
        ("https://example.org/../x", "https://example.org/../x"),
    ],
)
def test_a_link_leads_to_a_page_or_to_the_code_host(link: str, expected: str) -> None:
    assert page_source(f"[a]({link})", DOCS) == f"[a]({expected})"


def test_a_link_in_code_stays_as_it_is() -> None:
    text = "`[a](../nothing)`\n\n```text\n[a](../nothing)\n```\n"
    assert page_source(text, DOCS) == text


def test_a_link_to_a_missing_file_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"'\.\./nothing\.py', which does not exist"):
        page_source("[a](../nothing.py)", DOCS)


def test_the_stores_format_is_included_with_links_that_still_lead_somewhere() -> None:
    text = page_source((DOCS / "reference" / "store-format.md").read_text("utf-8"), DOCS / "reference")
    assert text.startswith("# The store's format\n\n")
    assert "](https://github.com/streamaug/streamaug/blob/main/shards/paper.yaml)" in text


def test_an_indented_block_of_a_docstring_is_shown_as_it_is() -> None:
    assert docstring_source("A batch is:\n\n    label  int64") == "A batch is::\n\n    label  int64"
    assert docstring_source("A sample holds\n\n    cls  int") == "A sample holds::\n\n    cls  int"
    assert docstring_source("Args:\n    label: Of a clip.") == "Args:\n    label: Of a clip."
