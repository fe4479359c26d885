"""Which packets of a row are lost: a pure function of what the row is."""

import numpy as np

from streamaug.condition_names import split_store
from streamaug.keys import derived_key, named_key
from streamaug.links.base import Link


def training_key(seed: int, epoch: int, position: int, view: int) -> int:
    """The key of a row's pattern in training: another in every epoch and for every row, also where two
    rows of an epoch show the same clip in the same condition.

    Args:
        seed: Of the plan.
        epoch: Number of the epoch.
        position: Of the row in the epoch.
        view: Number of the view in the row.
    """
    return named_key(seed, "link", epoch, position, view)


def evaluation_key(condition: str, clip_id: str) -> int:
    """The key of a clip's pattern in evaluation: always the same, whatever else is evaluated.

    Args:
        condition: Name of the condition with its link, perhaps with its store, which does not count.
        clip_id: The clip.

    >>> evaluation_key("tau:opus-voip_24~loss10", "a") == evaluation_key("opus-voip_24~loss10", "a")
    True
    """
    return named_key(0, "link", split_store(condition)[1], clip_id)


def lost_packets(link: Link, key: int, packets: int) -> np.ndarray:
    """Which packets of a bitstream are lost, bool of shape (packets,).

    Args:
        link: What loses them.
        key: Of the pattern.
        packets: Number of packets.
    """
    return link.lost(derived_key(key, np.arange(packets)))
