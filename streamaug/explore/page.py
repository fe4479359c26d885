"""The page, of a server or exported: one template, the same scripts and styles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

STATIC = Path(__file__).parent / "static"

WAVESURFER = "wavesurfer-8.0.1.min.js"
"""From npm as it is, with its licence next to it."""

WAVESURFER_LICENCE = "wavesurfer-LICENSE.txt"

SCRIPTS = (
    WAVESURFER,
    "elements.js",
    "source.js",
    "exported.js",
    "colours.js",
    "levels.js",
    "sounds.js",
    "player.js",
    "axes.js",
    "rows.js",
    "finder.js",
    "details.js",
    "keys.js",
    "main.js",
)
"""In the order in which a page loads them. They are no modules, since browsers load none from a disk."""

STYLES = ("explore.css",)


def render_page(overview: Mapping[str, Any], *, nonce: str, policy: str = "", files: Sequence[str] = ()) -> str:
    """The page as HTML; all text of the store is escaped.

    Args:
        overview: What `Explorer.overview` says of the store.
        nonce: What styles must carry that wavesurfer.js adds.
        policy: Content security policy, for a page that no server sends with headers. Default: none.
        files: Further scripts, which hold the data of an exported page. Default: none, a server
            has it.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((STATIC.parent / "page.html.jinja").read_text(encoding="utf-8"))
    return template.render(store=overview, nonce=nonce, policy=policy, scripts=SCRIPTS, styles=STYLES, files=files)
