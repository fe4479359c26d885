"""Which row loses packets on which link, and the pattern of its losses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streamaug.crop import Span
from streamaug.digests import DIGEST
from streamaug.links import Link, evaluation_key, training_key
from streamaug.planning.sequential import PlanLike, SequentialPlan
from streamaug.store.locations import BitstreamLocations
from streamaug.streaming.row_loss import RowLoss


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The losses of a plan's rows.

    Args:
        links: By name.
        seed: Of the plan; None if it is an evaluation, in which a clip always loses the same packets.
    """

    links: Mapping[str, Link]
    seed: int | None

    @classmethod
    def of(cls, plan: PlanLike) -> "Losses":
        return cls(links=plan.links, seed=None if isinstance(plan, SequentialPlan) else plan.identity.seed)

    def row(self, location: BitstreamLocations, clip_id: str, *, epoch: int, position: int, view: int) -> RowLoss | None:
        """The losses of a row; None if nothing is lost in its condition.

        Args:
            location: Of its condition.
            clip_id: The clip that is served.
            epoch: Number of the epoch.
            position: Of the row in the epoch.
            view: Number of the view in the row.
        """
        if not location.link:
            return None
        key = evaluation_key(location.name, clip_id) if self.seed is None else training_key(self.seed, epoch, position, view)
        return RowLoss(link=location.link, key=key, encoder=location.encoder)

    def entries(self, locations: Sequence[BitstreamLocations], clip_ids: pa.Array) -> list[BitstreamLocations]:
        """Locations by which a cache finds the features of an evaluation: where packets are lost, two
        clips with the same bitstream have other features.

        Args:
            locations: Of the conditions.
            clip_ids: In the order of the clips table.
        """
        return [self._entries_of(location, clip_ids) if location.link else location for location in locations]

    def _entries_of(self, location: BitstreamLocations, clip_ids: pa.Array) -> BitstreamLocations:
        digests = np.zeros((len(location.size), DIGEST), np.uint8)
        link = self.links[location.link].digest.encode()
        for clip in np.flatnonzero(location.has_clip).tolist():
            key = evaluation_key(location.name, clip_ids[clip].as_py()).to_bytes(8, "little")
            own = hashlib.blake2b(location.sha256[clip].tobytes() + key + link, digest_size=DIGEST).digest()
            digests[clip] = np.frombuffer(own, np.uint8)
        return replace(location, sha256=digests)


def lost_masks(lost: Sequence[Sequence[np.ndarray]], spans: Sequence[Span]) -> np.ndarray:
    """Which samples of a batch were lost, bool of shape (n, views, samples of its longest row).

    Args:
        lost: The lost stretches of each row, in each of its views.
        spans: The samples of its clip that each row has.
    """
    masks = np.zeros((len(spans), len(lost[0]) if lost else 1, max(span.samples for span in spans)), bool)
    for row, (views, span) in enumerate(zip(lost, spans, strict=True)):
        for mask, stretches in zip(masks[row], views, strict=True):
            if len(stretches):
                sound = np.zeros(span.stop - span.start, bool)
                for start, stop in stretches.tolist():
                    sound[start:stop] = True
                mask[: span.samples] = span.fill(sound)
    return masks
