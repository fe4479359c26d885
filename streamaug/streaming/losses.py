"""Which row loses packets on which link, and the pattern of its losses."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from streamaug.codecs import Decoding, decode
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.crop import Span
from streamaug.digests import DIGEST
from streamaug.links import Link, evaluation_key, lost_packets, training_key
from streamaug.planning.sequential import PlanLike, SequentialPlan
from streamaug.store.locations import BitstreamLocations

NOTHING = np.zeros((0, 2), np.int64)
"""The lost stretches of a row that arrived whole."""


@dataclass(frozen=True, kw_only=True)
class RowLoss:
    """What a row's decoder has to know.

    Args:
        link: Name of the link.
        key: Of the pattern.
        encoder: What made the bitstream.
    """

    link: str
    key: int
    encoder: str


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


def decode_with_losses(
    payload: bytes,
    loss: RowLoss | None,
    links: Mapping[str, Link],
    *,
    decoding: Decoding,
    rate: int,
    delay: int,
    samples: int,
    part: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a part of a clip, of which packets may have been lost on a link; also the stretches of
    the clip that were lost. See `decode` and `decode_lossy`.

    Args:
        payload: The bitstream.
        loss: Which packets are lost; None if all arrive.
        links: By name.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz.
        delay: The codec's delay in samples at that rate.
        samples: Length of the clip in samples at that rate.
        part: First sample of the clip that is wanted, and the one after the last.

    Raises:
        CorruptError, PluginError: See `decode_lossy`.
    """
    if loss is None:
        return decode(payload, decoding=decoding, rate=rate, delay=delay, samples=samples, part=part), NOTHING
    return decode_lossy(
        payload,
        lossy_opener(decoding, loss.encoder),
        decoding=decoding,
        lose=partial(lost_packets, links[loss.link], loss.key),
        rate=rate,
        delay=delay,
        samples=samples,
        part=part,
    )


def row_stretches(stretches: np.ndarray, *, rate: int, row_rate: int, start: int, stop: int) -> np.ndarray:
    """The lost stretches of a row, counted from its first sample, int64 of shape (n, 2).

    Args:
        stretches: Of the clip, int64 of shape (n, 2).
        rate: Their sample rate in Hz.
        row_rate: That of the row.
        start: First sample of the clip that the row has, at its rate.
        stop: The one after the last.

    >>> row_stretches(np.array([[0, 20], [80, 120]]), rate=100, row_rate=50, start=20, stop=50).tolist()
    [[20, 30]]
    """
    scaled = np.clip(-(-stretches * row_rate // rate) - start, 0, stop - start)
    heard: np.ndarray = scaled[scaled[:, 0] < scaled[:, 1]]
    return heard


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
