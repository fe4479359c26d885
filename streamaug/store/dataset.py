"""View a condition of a store as a map-style dataset of PyTorch, for programs that index."""

import operator
from typing import Any, SupportsIndex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Dataset

from streamaug.codecs import decode
from streamaug.errors import CorruptError, StoreError
from streamaug.features.lengths import Lengths
from streamaug.features.registry import open_features
from streamaug.store.folder import Folder
from streamaug.store.index import Index
from streamaug.store.manifest import Manifest
from streamaug.store.targets import open_targets


class ClipDataset(Dataset[dict[str, Any]]):
    """The clips of one condition in the order of the clips table, with the samples that a `Stream`
    gives.

    An item is a dictionary:

        waveform     float32 (samples,), of two channels (2, samples); or one entry for each of `features`, under its name
        label        int, index in the store's labels; or, as the store has it:
        labels       float32 (classes,), 1 for each of the clip's labels
        target       float
        clip_id      name of the clip
        condition    name of the condition

    Clips may differ in length, and so may items: a DataLoader that joins them to batches needs a
    `collate_fn` then, or a `Stream`.

    It can be pickled and shuffled, and serves any number of DataLoader workers: a file is opened in
    the process that reads from it, and only while it reads.

    Args:
        folder: The store's folder.
        manifest: Manifest of the snapshot.
        index: The condition's index.
        clips: Rows of the clips table that the condition contains.
        features: What to compute, as for `Stream`.

    Raises:
        FeatureError: A feature is unknown, or does not fit the clips.
    """

    def __init__(self, *, folder: Folder, manifest: Manifest, index: Index, clips: pa.Table, features: Any = "waveform") -> None:
        if not len(clips):
            raise StoreError(f"store {folder.url}: condition '{index.meta.condition}' has no such clip; choose another split or condition")
        self.labels = manifest.labels
        self.condition = index.meta.condition
        self._folder, self._rate, self._index = folder, manifest.rate, index
        self._rows = np.asarray(pc.index_in(clips["clip_id"], value_set=index.table["clip_id"].combine_chunks())).astype(np.int64)
        self._targets = open_targets(clips, manifest)
        samples = clips["samples"].to_numpy()
        shortest = int(samples.argmin())
        lengths = Lengths(shortest=int(samples[shortest]), longest=int(samples.max()), clip=clips["clip_id"][shortest].as_py())
        self._features = open_features(features, rate=manifest.rate, lengths=lengths, channels=manifest.channels)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: SupportsIndex) -> dict[str, Any]:
        """One clip.

        Args:
            item: Its number; a negative one counts from the end.

        Raises:
            IndexError: There is no such clip.
            StoreError: The shard does not exist any more.
            CorruptError: The bytes do not match the index, or cannot be decoded.
            FetchError: The bytes could not be read.
        """
        number = operator.index(item)
        if not -len(self) <= number < len(self):
            raise IndexError(f"clip {number} of {len(self)}")
        (location,) = self._index.locations([int(self._rows[number])])
        payload = location.read(self._folder)
        try:
            # With the decoder of streams, so that both give the same bits.
            samples = decode(payload, decoding=location.decoding, rate=self._rate, delay=location.delay, samples=location.samples)
        except CorruptError as error:
            raise CorruptError(f"{location.describe(self._folder)}: {error}") from error
        waveform = torch.from_numpy(samples)
        clip: dict[str, Any] = {}
        for name, feature in self._features.items():
            clip[name] = torch.empty(feature.shape(location.samples))
            feature.expand(feature.compute(waveform), clip[name])
        for name, (value,) in self._targets.entries(np.array([number % len(self)])).items():
            clip[name] = torch.from_numpy(value) if isinstance(value, np.ndarray) else value.item()
        return {**clip, "clip_id": location.clip_id, "condition": self.condition}
