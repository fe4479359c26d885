"""What a page shows of a store, as plain data: the same for the server and for a static page."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from streamaug.condition_names import reading_order
from streamaug.errors import StoreError, StreamaugError
from streamaug.explore.clips import Clips
from streamaug.explore.conditions import ConditionRows, Entry
from streamaug.explore.filters import Query
from streamaug.explore.grades import grade_of
from streamaug.explore.membership import drawable_conditions, plain_weights
from streamaug.explore.tables import Tables
from streamaug.pages.sound import Sound, browser_sound
from streamaug.recipes import Recipe
from streamaug.splits import Split
from streamaug.store import Store
from streamaug.store.location import read_clip

PAGE = 50
"""Clips per page of the list."""

_HIDDEN = ("shard", "depth")
"""Columns of the clips table that say how the store is laid out, and nothing about a clip."""


class Explorer:
    """A store to look into. Several threads may use it.

    Args:
        store: The store.
        scratch: Local folder for copies of a remote store's tables.
        recipes: Recipes by their paths; a clip shows which of them hold it. Default: none.
        split: The split that the recipes are drawn from. Default: `train`.

    Raises:
        CorruptError: The clips table is damaged.
        FetchError: It could not be read.
    """

    def __init__(self, store: Store, scratch: Path, *, recipes: Mapping[str, Recipe] | None = None, split: str = "train") -> None:
        self.store, self._recipes, self._split = store, dict(recipes or {}), Split.parse(split)
        self._tables = Tables(store.folder, scratch)
        file = store.manifest.clips
        self.clips = Clips(self._tables.path(file.file, file.sha256), f"{store.url}/{file.file}", store.manifest)

    @cached_property
    def _conditions(self) -> dict[str, ConditionRows]:
        return {name: ConditionRows(self.store, name, self._tables) for name in sorted(self.store.conditions, key=reading_order)}

    def overview(self) -> dict[str, Any]:
        """What a page shows of the store before any clip: its name, conditions and columns."""
        manifest = self.store.manifest
        return {
            "name": manifest.name,
            "snapshot": self.store.snapshot,
            "rate": manifest.rate,
            "channels": manifest.channels,
            "clips": len(self.clips),
            "target": manifest.target,
            "conditions": list(self._conditions),
            "columns": [name for name in self.clips.columns if name not in _HIDDEN],
            "searched": list(self.clips.searched),
            "has_recipes": bool(self._recipes),
            "page": PAGE,
        }

    def search(self, query: Query, start: int) -> dict[str, Any]:
        """A page of the clips that match.

        Args:
            query: What to look for.
            start: The first clip of the page.

        Raises:
            StoreError: The query does not fit the clips table.
        """
        rows = self.clips.page(query, start, PAGE)
        return {"clips": [self._listed(row) for row in rows], "start": start, "total": len(self.clips.rows(query))}

    def _listed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A clip in the list."""
        target = row[self.clips.target] if self.clips.target else ""
        return {
            "clip_id": row["clip_id"],
            "target": _text(target),
            "split": row["split"] or "",
            "seconds": row["samples"] / self.store.manifest.rate,
        }

    def values(self, column: str) -> dict[str, Any]:
        """The values of a column to choose from.

        Args:
            column: The column.

        Raises:
            StoreError: There is no such column.
        """
        values = self.clips.values(column)
        return {"values": [[value, count] for value, count in values.counts], "is_complete": values.is_complete}

    def clip(self, clip_id: str) -> dict[str, Any]:
        """All about a clip: its columns, what each condition has of it, and the recipes that hold
        it. What is wrong with a condition is in its entry as `error`.

        Args:
            clip_id: The clip.

        Raises:
            StoreError: There is no such clip.
        """
        table = self.clips.row(clip_id)
        row = table.to_pylist()[0]
        conditions = [self._in_condition(rows, clip_id, row["shard"]) for rows in self._conditions.values()]
        exists = {each["name"] for each in conditions if not each.get("is_missing")}
        recipes = []
        for path, recipe in self._recipes.items():
            weights = drawable_conditions(
                recipe, table, exists.__contains__, conditions=self.store.conditions, split=self._split, url=self.store.url
            )
            if weights:
                recipes.append({"path": path, "title": recipe.title, "draw": recipe.draw, "conditions": plain_weights(weights)})
        return {
            **self._listed(row),
            "samples": row["samples"],
            "columns": [[name, _text(value)] for name, value in row.items() if name not in (*_HIDDEN, "clip_id")],
            "conditions": conditions,
            "recipes": recipes,
            "recipes_read": len(self._recipes),
            "recipes_split": str(self._split),
        }

    def _in_condition(self, rows: ConditionRows, clip_id: str, shard: int) -> dict[str, Any]:
        plain: dict[str, Any] = {"name": rows.name}
        try:
            entry = rows.entry(clip_id, shard)
            if entry is None:
                return {**plain, "is_missing": True}
            location, meta = entry.location, rows.meta
            plain |= {
                "kbps": entry.kbps,
                "bytes": location.size,
                "delay": location.delay,
                "extension": meta.extension,
                "codec": meta.decoding.codec,
                "settings": meta.settings,
                "shard": location.shard,
                "offset": location.offset,
                "sha256": location.sha256.hex(),
                "steps": [step.model_dump() for step in meta.steps],
            }
        except StreamaugError as error:
            return {**plain, "error": str(error)}
        if rows.name != "original" and "original" in self._conditions:
            try:
                plain["grade"] = grade_of(rows, entry, self._conditions["original"], self._tables)
            except StreamaugError as error:  # the clip can be heard all the same
                plain["grade_error"] = str(error)
        return plain

    def _entry(self, condition: str, clip_id: str) -> Entry:
        """Where a clip is in a condition, both as a request names them."""
        if condition not in self._conditions:
            raise StoreError(f"no condition '{condition}' in the store; it has {', '.join(self._conditions)}")
        shard = self.clips.row(clip_id)["shard"][0].as_py()
        entry = self._conditions[condition].entry(clip_id, shard)
        if entry is None:
            raise StoreError(f"condition '{condition}' does not have clip '{clip_id}'; choose another condition")
        return entry

    def sound(self, condition: str, clip_id: str) -> Sound:
        """What `Store.read` gives of a clip, as a browser plays it.

        Args:
            condition: Name of the condition.
            clip_id: The clip.

        Raises:
            StoreError: There is no such clip or condition.
            CorruptError: The bytes do not match the index, or cannot be decoded.
            FetchError: The bytes could not be read.
        """
        return browser_sound(read_clip(self.store.folder, self._entry(condition, clip_id).location, self.store.manifest.rate))

    def bitstream(self, condition: str, clip_id: str) -> tuple[str, bytes]:
        """A file name and the encoder's own bytes of a clip.

        Args:
            condition: Name of the condition.
            clip_id: The clip.

        Raises:
            StoreError: There is no such clip or condition.
            CorruptError: The bytes do not match the index.
            FetchError: The bytes could not be read.
        """
        location = self._entry(condition, clip_id).location
        extension = self._conditions[condition].meta.extension
        return f"{clip_id}.{condition}.{extension}", location.read(self.store.folder)


def _text(value: Any) -> str:
    """A value of a clips table as people read it."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | int | date | datetime | time | timedelta | Decimal):
        return str(value)
    return repr(value)
