"""What a plan is made of, and how two plans differ."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1
"""Counts up whenever the same recipe, store and seed come to give other rows."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a plan is made of. Plans with one identity have the same rows.

    recipe: hash of what it says. split: as written. seed: of all shuffles. clips: digest of the clips and what the store says about
    them. conditions: the digest of each condition that the recipe uses. format: of planning itself; another one shuffles otherwise.
    """

    recipe: str
    split: str
    seed: int
    clips: str
    conditions: Mapping[str, str]
    format: int = FORMAT

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Identity":
        return cls(**told)

    def differences(self, other: "Identity") -> list[str]:
        """What the other has otherwise, a line each, for people; empty where nothing differs.

        >>> mine = Identity(recipe="ab", split="train", seed=0, clips="cd", conditions={"original": "12"})
        >>> mine.differences(Identity(recipe="ab", split="train", seed=1, clips="cd", conditions={"original": "34"}))
        ['seed: 0 here, 1 there', "condition 'original' has another content: 12 here, 34 there"]
        """
        lines = []
        for name, meaning in (("recipe", "the recipe says something else"), ("clips", "the store's clips are not the same")):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{meaning}: {mine[:12]} here, {theirs[:12]} there")
        for name in ("split", "seed", "format"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{name}: {mine} here, {theirs} there")
        for condition in sorted({*self.conditions, *other.conditions}):
            mine, theirs = self.conditions.get(condition), other.conditions.get(condition)
            if mine is None or theirs is None:
                lines.append(f"condition '{condition}' is only {'there' if mine is None else 'here'}")
            elif mine != theirs:
                lines.append(f"condition '{condition}' has another content: {mine[:12]} here, {theirs[:12]} there")
        return lines
