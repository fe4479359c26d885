"""Build one shard of clips in several conditions; this is the work of one worker.

A shard is finished when its part exists: a small Parquet file with the shard's index rows, written
after the tar. A build that was stopped resumes from the parts; the last step of a build makes the
condition's index from them.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streamaug.building.chains import Chain, check_versions, encode_clip
from streamaug.building.sources import Originals, Recording
from streamaug.building.tar_writer import TarWriter
from streamaug.codecs import pcm
from streamaug.errors import ClipsError
from streamaug.store.folder import STAGING, Folder

_CACHED_ORIGINALS = 64
"""Originals that a worker keeps for effects that mix a clip with others."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard of clips in the conditions that still lack it.

    Args:
        folder: The store.
        number: Number of the shard.
        recordings: Clips of the shard.
        originals: Audio of at least these clips; of all clips if a chain has effects.
        chains: Conditions to build.
    """

    folder: Folder
    number: int
    recordings: tuple[Recording, ...]
    originals: Originals
    chains: tuple[Chain, ...]


def shard_name(chain: Chain, number: int) -> str:
    """Name of a shard in its condition's folder."""
    return f"{chain.settings}-{number:06d}.tar"


def part_name(chain: Chain, number: int) -> str:
    """Path of a shard's part in the store."""
    return f"{STAGING}/{chain.name}/{chain.settings}-{number:06d}.parquet"


def build_shard(task: ShardTask) -> int:
    """Encode a shard's clips and write one tar and one part per condition.

    Returns:
        Number of tars.

    Raises:
        ClipsError: A source is missing, or has changed since it was checked.
        EncoderError: An encoder failed, or this machine has other encoders or libraries than the
            one that began the build.
        FetchError: The store or a source cannot be reached.
    """
    for chain in task.chains:
        check_versions(chain)

    @lru_cache(_CACHED_ORIGINALS)
    def load_original(clip_id: str) -> np.ndarray:
        return task.originals.signal(clip_id)

    with ExitStack() as stack:
        tars = []
        for chain in task.chains:
            name = shard_name(chain, task.number)
            tars.append(TarWriter(chain, name, stack.enter_context(task.folder.staged(f"{chain.name}/{name}"))))
        for recording in sorted(task.recordings, key=lambda recording: recording.clip_id):
            signal = _unchanged_pcm(recording, task.originals)
            clip_tars = [tar for tar in tars if tar.chain.holds(recording.clip)]
            encoded_clips = encode_clip([tar.chain for tar in clip_tars], signal, recording.clip, load_original)
            for tar, encoded in zip(clip_tars, encoded_clips, strict=True):
                tar.add(recording, encoded)
        for tar in tars:
            tar.close()
    for tar in tars:
        task.folder.write(part_name(tar.chain, task.number), tar.index().to_bytes())
    return len(tars)


def _unchanged_pcm(recording: Recording, originals: Originals) -> np.ndarray:
    """The PCM of an original that is still what the check of the sources saw."""
    signal = originals.pcm(recording.clip_id)
    if pcm.digest(signal) != recording.sha256:
        path = originals.paths[recording.clip_id]
        raise ClipsError(f"clip '{recording.clip_id}' ({path}) has changed since the build began; run the build again")
    return signal
