"""Build one shard of clips in several conditions; this is the work of one worker.

A shard is finished when its part exists: a small Parquet file with the shard's index rows, written
after the tar. A build that was stopped resumes from the parts; the last step of a build makes the
condition's index from them. Tar and part are named by their content, so that two builds never
write different bytes under one name.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from streamaug.building.chains import Chain, check_versions, encode_clip
from streamaug.building.reading import Reading
from streamaug.building.recordings import Originals, Recording
from streamaug.building.source_file import SourceFile
from streamaug.building.tar_writer import TarWriter
from streamaug.store.folder import Folder
from streamaug.store.targets import class_numbers

_CACHED_ORIGINALS = 64
"""Originals that a worker keeps for effects that mix a clip with others."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard of clips in the conditions that still lack it. Its size does not depend on the
    number of clips of the store.

    Args:
        folder: The store.
        staging: Path of the build's folder in it.
        number: Number of the shard.
        recordings: Clips of the shard.
        reading: How the clips are read.
        originals: Audio of other clips; None if no condition has an effect.
        labels: The store's labels.
        chains: Conditions to build, with the key of each one's part.
    """

    folder: Folder
    staging: str
    number: int
    recordings: tuple[Recording, ...]
    reading: Reading
    originals: Originals | None
    labels: tuple[str, ...]
    chains: tuple[tuple[Chain, str], ...]


def part_key(chain: Chain, recordings: Iterable[Recording], labels: Sequence[str], all_clips: bytes) -> str:
    """Names all that decides the bytes of a shard.

    Args:
        chain: The condition.
        recordings: Clips of the shard.
        labels: The store's labels.
        all_clips: Digest of the whole clips table, on which effects may depend.
    """
    digest = hashlib.sha256(all_clips if chain.has_effects else b"")
    numbers = {label: number for number, label in enumerate(labels)}
    for recording in sorted(recordings, key=lambda recording: recording.clip_id):
        if chain.holds(recording.clip):
            row = {**recording.clip, **class_numbers(recording.clip, numbers)}
            digest.update(json.dumps(row, sort_keys=True, default=str).encode() + recording.sha256)
    return f"{chain.settings}-{digest.hexdigest()[:16]}"


def part_name(condition: str, key: str) -> str:
    """Path of a shard's part in a build's folder."""
    return f"{condition}/{key}.parquet"


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
    for chain, _ in task.chains:
        check_versions(chain)

    @lru_cache(_CACHED_ORIGINALS)
    def load_original(clip_id: str) -> np.ndarray:
        assert task.originals is not None, "only effects load other clips"
        return task.originals.signal(clip_id)

    with ExitStack() as stack:
        file = stack.enter_context(SourceFile())
        tars: list[TarWriter] = []
        for chain, _ in task.chains:
            path = stack.enter_context(task.folder.staged(partial(_tar_path, tars, len(tars))))
            tars.append(TarWriter(chain, task.number, task.labels, path))
        for recording in sorted(task.recordings, key=lambda recording: recording.clip_id):
            signal = recording.unchanged_pcm(task.reading, file)
            clip_tars = [tar for tar in tars if tar.chain.holds(recording.clip)]
            encoded_clips = encode_clip([tar.chain for tar in clip_tars], signal, recording.clip, load_original)
            for tar, encoded in zip(clip_tars, encoded_clips, strict=True):
                tar.add(recording, encoded)
        for tar in tars:
            tar.close()
    for tar, (chain, key) in zip(tars, task.chains, strict=True):
        task.folder.write(f"{task.staging}/{part_name(chain.name, key)}", tar.index().to_bytes())
    return len(tars)


def _tar_path(tars: Sequence[TarWriter], position: int) -> str:
    """Where a tar belongs in the store, once it is closed."""
    return f"{tars[position].chain.name}/{tars[position].name}"
