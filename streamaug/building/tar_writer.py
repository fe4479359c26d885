"""Write the clips of one shard and condition, with what is known about each."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from streamaug.building.chains import Chain, EncodedClip
from streamaug.building.member_json import member_json
from streamaug.building.recordings import Recording
from streamaug.building.shard_file import ShardFile
from streamaug.codecs import alignment
from streamaug.errors import CorruptError, EncoderError
from streamaug.store.format import FORMAT, IndexMeta
from streamaug.store.index import Index
from streamaug.store.targets import class_numbers

_MISALIGNED_CLIPS = 8
"""Clips of a shard that must be misaligned, with none that is aligned before them, until the encoder
is refused. The alignment of a single clip, of noise or silence say, can be measured wrongly: AMR at
4.75 kbps moves the peak by a sample for one word in twelve, and more often for a deep voice. Clips
that are truly one sample late are found to be so nearly always, in other codecs without exception."""

_CLEARLY_MISALIGNED_CLIPS = 3
"""As many are enough in a shard without an aligned clip, if all are off by the same number of
samples, or by more than three, at the encoder's rate; never if by one, which may be chance."""


class TarWriter:
    """A shard of one condition while it is written; `close` it before `index` is read.

    Args:
        chain: The condition.
        number: Number of the shard.
        labels: The store's labels; a label's position is its class number.
        path: Local file to write.
    """

    def __init__(self, chain: Chain, number: int, labels: Sequence[str], path: Path) -> None:
        self.chain = chain
        self._numbers = {label: number for number, label in enumerate(labels)}
        meta = IndexMeta(
            format=FORMAT,
            condition=chain.name,
            settings=chain.settings,
            extension=chain.extension,
            decoding=chain.decoding,
            steps=chain.step_metadata,
            shards=(),
        )
        self._file = ShardFile(meta, number, path)
        self._misaligned: dict[str, int] = {}
        self._is_aligned = False

    def add(self, recording: Recording, encoded: EncodedClip) -> None:
        """Append a clip's bitstream and its JSON.

        Args:
            recording: The clip.
            encoded: The clip in this shard's condition.

        Raises:
            EncoderError: The bitstream cannot be decoded, or decoded clips of this shard are not
                aligned with their originals.
        """
        self._check_alignment(recording, encoded)
        chain, payload, samples = self.chain, encoded.payload, encoded.source.shape[-1]
        kbps, sha256 = len(payload) * 8 * chain.rate / samples / 1000, hashlib.sha256(payload)
        metadata = {
            **{key: value for key, value in recording.clip.items() if value is not None},
            **class_numbers(recording.clip, self._numbers),
            "condition": chain.name,
            "generations": chain.condition.generations,
            "steps": [step.model_dump() for step in chain.step_metadata],
            "requested_kbps": chain.last.step.kbps if chain.last else None,
            "kbps": round(kbps, 3),
            "rate": chain.rate,
            "samples": samples,
            "delay": chain.delay,
            "source_sha256": recording.sha256.hex(),
            "sha256": sha256.hexdigest(),
        }
        row = {
            "clip_id": recording.clip_id,
            "size": len(payload),
            "sha256": sha256.digest(),
            "delay": chain.delay,
            "samples": samples,
            "kbps": kbps,
        }
        self._file.add(row, payload, member_json(metadata))

    def close(self) -> None:
        """Write what ends a tar, and close the file.

        Raises:
            EncoderError: No decoded clip is aligned with its original, and several are clearly not.
        """
        if self._is_clearly_misaligned():
            raise self._misaligned_error()
        self._file.close()

    @property
    def name(self) -> str:
        """Name of the closed tar."""
        return self._file.name

    def index(self) -> Index:
        """The clips that were added, as an index of one shard."""
        return self._file.index()

    def _check_alignment(self, recording: Recording, encoded: EncodedClip) -> None:
        """Compare clips with what they were encoded from, until one of the shard is aligned."""
        chain = self.chain
        if self._is_aligned or chain.last is None:
            return
        try:
            decoded = chain.last.decode(encoded.payload, encoded.source.shape[-1])
        except CorruptError as error:
            raise EncoderError(
                f"condition '{chain.name}', clip '{recording.clip_id}': {chain.last.encoder.name} makes what cannot be decoded: {error}; "
                "leave the clip or the condition out, or choose another encoder in the settings"
            ) from error
        encoder = chain.last.encoder.name
        shift = alignment.shift(decoded, encoded.source, chain.rate, alignment.likeness_of([encoder]))
        if shift is None:  # too quiet or too plain to tell
            return
        if abs(shift) <= alignment.tolerance(encoder, chain.channels, chain.rate):
            self._is_aligned = True
            return
        self._misaligned[recording.clip_id] = shift
        if len(self._misaligned) == _MISALIGNED_CLIPS:
            raise self._misaligned_error()

    def _is_clearly_misaligned(self) -> bool:
        last, shifts = self.chain.last, self._misaligned.values()
        if last is None or self._is_aligned or len(shifts) < _CLEARLY_MISALIGNED_CLIPS:
            return False
        one = -(-last.rate // last.coding_rate)  # sample of the encoder, in samples of the store
        least = min(map(abs, shifts))
        return least > one and (len(set(shifts)) == 1 or least > 3 * one)

    def _misaligned_error(self) -> EncoderError:
        chain, shifts = self.chain, [f"'{clip_id}' by {shift} samples" for clip_id, shift in self._misaligned.items()]
        assert chain.last is not None, "only what a codec has made is compared"
        return EncoderError(
            f"condition '{chain.name}': decoded clips are not aligned with their originals: {', '.join(shifts)}; "
            f"{chain.last.encoder.name} has another delay than on the calibration signal ({chain.delay} samples); "
            "choose another encoder in the settings"
        )
