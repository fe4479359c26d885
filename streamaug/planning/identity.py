"""What a plan is made of, and how two plans differ."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
"""Counts up when the same recipe, store and seed come to give other rows."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a plan is made of. Plans with the same identity have the same rows, with the same class
    numbers.

    Args:
        recipe: Hash of the recipe.
        split: The split as the user wrote it.
        seed: Seed for all shuffles.
        clips: Digest of the clips and of their columns that the plan depends on.
        conditions: Digest of each condition that the recipe uses.
        format: Version of planning itself; another version shuffles in another way.
        draw: Name and version of a plug-in's draw. Default: empty, a built-in draw.
        labels: Digest of the store's labels in their order, which gives each class its number. Not
            part of `hash`, since the rows do not depend on it.
        links: Digest of each link that the conditions name.
    """

    recipe: str
    split: str
    seed: int
    clips: str
    conditions: Mapping[str, str]
    format: int = FORMAT
    draw: str = ""
    labels: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Names the rows: 64 hexadecimal digits."""
        fields = self.to_dict()
        del fields["labels"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The identity as plain data; `draw` only for a plug-in's draw, and `links` if there are some."""
        fields = asdict(self)
        for name in ("draw", "links"):
            if not fields[name]:
                del fields[name]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Identity":
        """The identity from what `to_dict` returned."""
        return cls(**fields)

    def differences(self, other: "Identity") -> list[str]:
        """What is not the same in another identity, one line each, for people.

        >>> mine = Identity(recipe="ab", split="train", seed=0, clips="cd", conditions={"original": "12"})
        >>> mine.differences(Identity(recipe="ab", split="train", seed=1, clips="cd", conditions={"original": "34"}))
        ['seed: 0 here, 1 there', "condition 'original' has another content: 12 here, 34 there"]
        """
        lines = []
        for name, meaning in (
            ("recipe", "the recipe has another content"),
            ("clips", "the clips of the store are not the same"),
            ("labels", "the labels of the store, or their order and so the class numbers, are not the same"),
        ):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{meaning}: {mine[:12]} here, {theirs[:12]} there")
        for name in ("split", "seed", "format", "draw"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{name}: {mine} here, {theirs} there")
        for link in sorted(self.links.keys() & other.links.keys()):
            if self.links[link] != other.links[link]:
                lines.append(f"link '{link}' loses other packets: {self.links[link][:12]} here, {other.links[link][:12]} there")
        for condition in sorted({*self.conditions, *other.conditions}):
            mine, theirs = self.conditions.get(condition), other.conditions.get(condition)
            if mine is None or theirs is None:
                lines.append(f"condition '{condition}' is only {'there' if mine is None else 'here'}")
            elif mine != theirs:
                lines.append(f"condition '{condition}' has another content: {mine[:12]} here, {theirs[:12]} there")
        return lines


def labels_digest(labels: Sequence[str]) -> str:
    """Digest of a store's labels in their order.

    >>> labels_digest(["cat", "dog"]) == labels_digest(["dog", "cat"])
    False
    """
    return hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()
