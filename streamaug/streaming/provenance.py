"""How a bitstream was made, for a batch and for a webdataset sample."""

from typing import Any

from streamaug.conditions import Condition
from streamaug.streaming.assembly import OpenedStore


def provenance(opened: OpenedStore, condition: int, clip: int) -> dict[str, Any]:
    """How a bitstream was made, for JSON.

    Args:
        opened: The store, or several.
        condition: Number of the condition in the plan.
        clip: Row number in the clips table.
    """
    location = opened.locations[condition]
    size, rate, samples = int(location.size[clip]), int(opened.rates[clip]), int(opened.samples[clip])
    return {
        **({"store": location.store} if location.store else {}),
        "condition": location.name,
        "shard": location.path(clip),
        "sha256": location.sha256[clip].tobytes().hex(),
        "kbps": round(size * 8 * rate / samples / 1000, 3),
        "settings": location.meta.settings,
        "generations": Condition.parse(location.condition).generations,
        "steps": [step.model_dump() for step in location.meta.steps],
    }
