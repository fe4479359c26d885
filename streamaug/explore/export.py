"""Write some clips as a static page: the same page and scripts, with sounds in files next to it."""

import base64
import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamaug.errors import StoreError, StreamaugError
from streamaug.explore.choice import query_of, spread_clips
from streamaug.explore.explorer import Explorer
from streamaug.explore.page import SCRIPTS, STATIC, STYLES, WAVESURFER_LICENCE, render_page
from streamaug.files import PARTIAL, absolute_path, disk_errors
from streamaug.progress import Progress, Silent

_MARK = "streamaug-explore.json"
"""File that says that a folder is an exported page, and which files are its own: these may be replaced."""

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'self'; style-src 'self' 'nonce-{}'; img-src 'self' data:"


def export_page(explorer: Explorer, folder: Path, *, clips: int = 12, where: Sequence[str] = (), progress: Progress | None = None) -> None:
    """Write a page that a browser shows without a server, also from a disk.

    The page appears whole or not at all; an earlier one is replaced.

    Args:
        explorer: The store.
        folder: Folder of the page: a new or empty one, or one with an earlier page.
        clips: Number of clips, spread over the labels.
        where: Which clips may be chosen, such as `label=rain,wind`. Default: all.
        progress: Gets the number of sounds that are written.

    Raises:
        StoreError: No clip matches, or the folder contains something else.
        FetchError: The store could not be read, or the disk could not be written.
    """
    folder = absolute_path(folder)
    _check_replaceable(folder)
    rows = spread_clips(explorer.clips, explorer.store.manifest.labels, query_of(where), clips)
    names = [row["clip_id"] for row in explorer.clips.take(rows, ["clip_id"])]
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.parent / f".{uuid.uuid4().hex}{PARTIAL}"
        try:
            _write(explorer, partial, names, progress or Silent())
            _replace(folder, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file; choose a new or empty folder")
    if not folder.is_dir():
        return
    content, exported = files_in(folder), _exported_files(folder)
    if content and exported is None:
        raise StoreError(f"{folder} is not an exported page and not empty (it contains '{content[0]}'); choose a new or empty folder")
    if exported is not None and (own := sorted(set(content) - exported)):
        raise StoreError(f"{folder} is an exported page, but it also contains '{own[0]}'; move that away, or choose a new or empty folder")


def files_in(folder: Path) -> list[str]:
    """Paths of all files and empty folders below a folder, from there on, in order."""
    paths = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink() or not any(path.iterdir()))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _exported_files(folder: Path) -> set[str] | None:
    """The files that an export wrote into a folder; None if it is not an exported page."""
    try:
        about = json.loads((folder / _MARK).read_text(encoding="utf-8"))
        return {_MARK, *about["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _replace(folder: Path, new: Path) -> None:
    """Put a new folder in the place of one that is missing, empty, or an earlier page."""
    if not (folder / _MARK).is_file():
        new.replace(folder)  # which the system refuses if something has been written there meanwhile
        return
    earlier = new.with_name(f"{new.name}-earlier")
    folder.rename(earlier)
    new.replace(folder)
    shutil.rmtree(earlier, ignore_errors=True)


def _write(explorer: Explorer, folder: Path, names: Sequence[str], progress: Progress) -> None:
    for part in ("static", "sounds", "bitstreams"):
        (folder / part).mkdir(parents=True)
    for name in (*SCRIPTS, *STYLES, WAVESURFER_LICENCE):
        shutil.copyfile(STATIC / name, folder / "static" / name)
    overview = {**explorer.overview(), "clips": len(names), "page": len(names)}
    progress.begin("writing sounds", len(names) * len(overview["conditions"]))
    clips = [_write_clip(explorer, folder, number, name, progress) for number, name in enumerate(names)]
    (folder / "clips.js").write_text(f"exported.clips = {json.dumps(clips)};\n", encoding="utf-8")
    nonce = hashlib.sha256(explorer.store.snapshot.encode()).hexdigest()[:16]
    page = render_page(overview, nonce=nonce, policy=_POLICY.format(nonce), files=["clips.js"])
    (folder / "index.html").write_text(page, encoding="utf-8")
    about = {"store": overview["name"], "snapshot": overview["snapshot"], "clips": list(names), "files": files_in(folder)}
    (folder / _MARK).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _write_clip(explorer: Explorer, folder: Path, number: int, name: str, progress: Progress) -> dict[str, Any]:
    """Write the sounds and bitstreams of a clip, and return what the page shows of it."""
    clip = explorer.clip(name)
    sounds = {}
    for entry in clip["conditions"]:
        condition = entry["name"]
        try:
            if not entry.get("is_missing") and not entry.get("error"):
                sounds[condition] = base64.b64encode(explorer.sound(condition, name).data).decode()
                file = f"{number:04d}-{condition}.{entry['extension']}"
                (folder / "bitstreams" / file).write_bytes(explorer.bitstream(condition, name)[1])
                entry["bitstream"] = f"bitstreams/{quote(file)}"
        except StreamaugError as error:
            entry["error"] = str(error)
        if entry.get("error"):
            progress.say(f"warning: clip '{name}' in '{condition}' is not on the page, which shows why: {entry['error']}")
        progress.advance(1)
    script = f"sounds/{number:04d}.js"
    (folder / script).write_text(f"exported.receive({json.dumps(name)}, {json.dumps(sounds)});\n", encoding="utf-8")
    return {**clip, "script": script}
