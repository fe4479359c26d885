"""Make the dictionary that the training loop gets."""

from typing import Any

import numpy as np
import pyarrow as pa
import torch

from streamaug.planning.sequential import PlanLike
from streamaug.store.catalogue import Catalogue
from streamaug.streaming.assembly import OpenedStore, StreamSettings
from streamaug.streaming.batches import DecodedBatch
from streamaug.streaming.losses import lost_masks
from streamaug.streaming.opened_features import OpenedFeatures
from streamaug.streaming.provenance import provenance


def make_batch(
    decoded: DecodedBatch, opened: OpenedStore, features: OpenedFeatures, plan: PlanLike, settings: StreamSettings
) -> dict[str, Any]:
    """A batch as `Stream` documents it, except `epoch` and `consumed`, which the cursor knows."""
    condition, served = decoded.batch.condition, decoded.served
    has_views = plan.views > 1

    def rows(values: list[list[Any]]) -> list[Any]:
        """One entry per row, or with views one list per row."""
        return values if has_views else [value for [value] in values]

    batch: dict[str, Any] = {name: whole if has_views else whole[:, 0] for name, whole in decoded.features.items()}
    batch["length"] = torch.tensor([span.length for span in decoded.spans], device=settings.device)
    counted = {key: decoded.frames[key] for key, axis in features.last_axes.items() if axis == "frames"}
    frames = {key: torch.from_numpy(sizes).to(settings.device) for key, sizes in counted.items()}
    if frames:
        batch["frames"] = frames if features.is_mapping else next(iter(frames.values()))
    batch |= {name: torch.from_numpy(values).to(settings.device) for name, values in opened.targets.entries(served).items()}
    batch["clip_id"] = _names(opened, served)
    batch["condition"] = rows([[plan.conditions[number] for number in row] for row in condition.tolist()])
    if isinstance(opened.store, Catalogue):
        batch["store"] = [opened.locations[number].store for number in condition[:, 0].tolist()]
    batch |= {name: column.take(served, settings.device) for name, column in opened.columns.items()}
    if settings.lost:
        masks = lost_masks(decoded.lost, decoded.spans)
        batch["lost"] = torch.from_numpy(masks if has_views else masks[:, 0]).to(settings.device)
    batch["position"] = torch.from_numpy(decoded.batch.position).to(settings.device)
    if settings.provenance:
        pairs = zip(condition.tolist(), served.tolist(), strict=True)
        batch["provenance"] = rows([[provenance(opened, number, clip) for number in row] for row, clip in pairs])
    if settings.on_corrupt == "replace":
        planned = _names(opened, decoded.batch.clip)
        is_replaced = (served != decoded.batch.clip).tolist()
        batch["replaced"] = [name if replaced else None for name, replaced in zip(planned, is_replaced, strict=True)]
    return batch


def _names(opened: OpenedStore, clips: np.ndarray) -> list[str]:
    names: list[str] = opened.clip_ids.take(pa.array(clips)).to_pylist()
    return names
