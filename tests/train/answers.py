"""Tables of predictions that are right or wrong as a test needs them."""

import pyarrow as pa

from train.predictions import SCHEMA


def predictions(right):
    """A table of predictions; two clips per group.

    Args:
        right: For each (row, seed, condition), whether clip 0, 1, ... is predicted right.
    """
    rows = [
        {
            "row": row,
            "seed": seed,
            "fold": None,
            "condition": condition,
            "clip_id": f"clip-{clip}",
            "group": f"group-{clip // 2}",
            "label": "dog",
            "predicted": "dog" if hit else "cat",
            "probabilities": [0.0, 1.0],
        }
        for (row, seed, condition), hits in right.items()
        for clip, hit in enumerate(hits)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)
