"""Same recipe, store and seed, same rows: digests that were computed once and must never change.

Where one does change, every plan that somebody saved or published changes with it. That is right
only together with a new `streamaug.planning.identity.FORMAT`.
"""

import hashlib
from typing import Any

import numpy as np
import pytest

from streamaug.planning import Plan
from streamaug.recipes import Schedule
from streamaug.recipes.recipe import Bucket
from tests.planning.inventories import inventory, recipe

EQUAL = {"original": 1, "mp3_64": 1, "aac_32": 1}
UNEQUAL = {"original": 0.29, "mp3_64": 2, "he-aac_16": 0.5}
CURRICULUM = {"original": 1, "mp3_64": {0: 1, 2: 0.5}, "he-aac_16": {0: 0, 1: 1, 3: 2}}
RAMP = {"original": 1, "mp3_64": Schedule.of({0: 0, 3: 0.7}, ramp=True)}
BY_STEP = {"original": 1, "mp3_64": Schedule.of({0: 1, 7: 0.5, 25: 2}, unit="step")}
RAMP_BY_STEP = {"original": 1, "mp3_64": Schedule.of({0: 1, 7: 0.5, 50: 2}, ramp=True, unit="step")}
LOUD = {"label": {"label 1": 2.5, "label 2": 0}}
INCOMPLETE = {"mp3_64": 0.4, "he-aac_16": 0.7}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "union": ({"draw": "union", "weights": UNEQUAL}, {}, "53a4fd2d a7affa0d"),
    "union of incomplete conditions": ({"draw": "union", "weights": EQUAL}, {"missing": INCOMPLETE}, "e1c5633c 58468074"),
    "union, stratify": ({"draw": "union", "weights": UNEQUAL, "stratify": 16}, {}, "242b378b 49a2e2d9"),
    "union, window": ({"draw": "union", "weights": UNEQUAL, "window": 8}, {"missing": INCOMPLETE}, "491eb71e d54db1d7"),
    "union, window, stratify": ({"draw": "union", "weights": EQUAL, "window": 9, "stratify": 12}, {}, "b63f7d06 e3457da4"),
    "union, balance": ({"draw": "union", "weights": UNEQUAL, "balance": ("label",)}, {"missing": INCOMPLETE}, "b05f2de0 ebec56ad"),
    "union, curriculum": ({"draw": "union", "weights": CURRICULUM}, {}, "44cbb60d 1844ee09"),
    "union, where": ({"draw": "union", "weights": EQUAL, "where": (("label", ("label 1", "label 3")),)}, {}, "4aac31ec a52d6e42"),
    "weighted": ({"draw": "weighted", "weights": UNEQUAL, "rows": 301}, {"missing": INCOMPLETE}, "7e165fc1 92a49024"),
    "weighted, stratify": ({"draw": "weighted", "weights": EQUAL, "rows": 301, "stratify": 20}, {}, "ccacdcf6 a54f750b"),
    "weighted, window": ({"draw": "weighted", "weights": EQUAL, "rows": 301, "window": 6}, {}, "193dbe2c d7900770"),
    "weighted, balance": ({"draw": "weighted", "weights": UNEQUAL, "rows": 301, "balance": ("label",)}, {}, "92f738dd afb38387"),
    "weighted, curriculum": ({"draw": "weighted", "weights": CURRICULUM, "rows": 500}, {}, "b57350c0 d2f56241"),
    "one-per-clip": ({"draw": "one-per-clip", "weights": EQUAL}, {}, "eeb8970a 358e2529"),
    "one-per-clip of incomplete conditions": ({"draw": "one-per-clip", "weights": UNEQUAL}, {"missing": INCOMPLETE}, "fa92b89a b1559584"),
    "one-per-clip, stratify": ({"draw": "one-per-clip", "weights": UNEQUAL, "stratify": 8}, {}, "6d904a67 3e67a545"),
    "one-per-clip, window": ({"draw": "one-per-clip", "weights": EQUAL, "window": 6}, {"missing": INCOMPLETE}, "43377df1 7a55058b"),
    "one-per-clip, balance": ({"draw": "one-per-clip", "weights": UNEQUAL, "balance": ("label",)}, {}, "023fc70d fd34d000"),
    "one-per-clip, curriculum": ({"draw": "one-per-clip", "weights": CURRICULUM}, {}, "1d4fde19 ce4987ff"),
    "views": ({"draw": "views", "weights": EQUAL, "views": 2}, {}, "aea3c849 4c37a7b4"),
    "views, anchor": (
        {"draw": "views", "weights": EQUAL, "views": 2, "anchor": "original"},
        {"missing": {"mp3_64": 0.3}},
        "537098fd 3868eb94",
    ),
    "views, stratify": ({"draw": "views", "weights": EQUAL, "views": 2, "stratify": 10}, {}, "bfbea4ec d2bd73cb"),
    "views, window": ({"draw": "views", "weights": EQUAL, "views": 2, "window": 12}, {}, "bf0dbf5d 89f5e567"),
    "views, balance": ({"draw": "views", "weights": EQUAL, "views": 3, "balance": ("label",)}, {}, "39a1f334 a5faf2a0"),
    "union, ramp": ({"draw": "union", "weights": RAMP}, {}, "3b6f1c9a 79cf81a2"),
    "weighted, ramp": ({"draw": "weighted", "weights": RAMP, "rows": 301}, {}, "b4b5820c 065c0a65"),
    "one-per-clip, ramp": ({"draw": "one-per-clip", "weights": RAMP}, {}, "92226e57 3d389ab8"),
    "weighted, steps inside epochs": ({"draw": "weighted", "weights": BY_STEP, "rows": 320, "stratify": 16}, {}, "90c5dd4c f297a5fc"),
    "weighted, ramp by step": ({"draw": "weighted", "weights": RAMP_BY_STEP, "rows": 320, "stratify": 16}, {}, "3c701792 024e20f8"),
    "weighted, ramp by step, weights": (
        {"draw": "weighted", "weights": RAMP_BY_STEP, "rows": 320, "stratify": 16, "by_column": LOUD},
        {},
        "f9569b07 29500327",
    ),
    "union, weights": ({"draw": "union", "weights": UNEQUAL, "by_column": LOUD}, {"missing": INCOMPLETE}, "58895553 f787cef6"),
    "union, equal": ({"draw": "union", "weights": UNEQUAL, "by_column": {"label": "equal"}}, {}, "ffd5e8aa d2400d98"),
    "weighted, weights": ({"draw": "weighted", "weights": EQUAL, "rows": 301, "by_column": LOUD}, {}, "7b994718 da67c481"),
    "weighted, equal": ({"draw": "weighted", "weights": EQUAL, "rows": 301, "by_column": {"label": "equal"}}, {}, "6ebd263a 7e8b38b2"),
    "union, bucket": ({"draw": "union", "weights": UNEQUAL, "bucket": Bucket(rows=64, batch=16)}, {}, "10bf02be 3bdaf84b"),
    "weighted, bucket": (
        {"draw": "weighted", "weights": EQUAL, "rows": 301, "bucket": Bucket(rows=100, batch=10)},
        {},
        "1e53fc36 5301999d",
    ),
}


def digests(case: str) -> str:
    """A plan's hash and a digest of its first four epochs' rows, eight hexadecimal digits each."""
    recipe_settings, inventory_settings, _ = CASES[case]
    plan = Plan(recipe=recipe(**recipe_settings), inventory=inventory(**inventory_settings), seed=3)
    digest = hashlib.sha256()
    for epoch in range(4):
        rows = plan.rows(epoch, np.arange(plan.epoch_size(epoch)))
        digest.update(rows.condition.astype("<i8").tobytes() + rows.clip.astype("<i8").tobytes())
    return f"{plan.hash[:8]} {digest.hexdigest()[:8]}"


@pytest.mark.parametrize("case", CASES)
def test_a_recipe_has_the_hash_and_the_rows_that_it_always_had(case: str) -> None:
    assert digests(case) == CASES[case][2]
