"""Settings of the documentation site: `make docs` builds it into build/site."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

import streamaug
from tools.docs_site import DOCS, docstring_source, page_source

project = "streamaug"
version = release = streamaug.__version__
project_copyright = "the authors of streamaug"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

smartquotes = False  # "--quiet" in a sentence is an option, not a dash
default_role = "code"  # one backtick in a docstring is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
maximum_signature_line_length = 88
python_display_short_literal_types = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_param = False  # one line may describe two parameters: "rank, world: ..."

html_theme = "furo"
html_title = "streamaug"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _document, priority=400)  # before napoleon


def _read(_app: Sphinx, name: str, source: list[str]) -> None:
    try:
        source[0] = page_source(source[0], (DOCS / name).parent)
    except ValueError as error:
        getLogger(__name__).warning(str(error), location=name)


def _document(_app: Sphinx, what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    # Napoleon takes what is before a colon in the first line of a property for its type.
    first = [""] if what in ("property", "attribute", "data") else []
    lines[:] = [*first, *docstring_source("\n".join(lines)).split("\n")]
