"""Predict the class of every clip of a split in a condition."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from streamaug.condition_names import split_store
from streamaug.crop import Crop
from streamaug.features import LogMel
from streamaug.links import Link
from streamaug.store.catalogue import StoreLike, split_rows
from streamaug.store.joined_clips import STORE_COLUMN
from streamaug.store.rates import clip_rates, common_rate
from streamaug.streaming import Cache, Stream
from streamaug.streaming.cropping import Cropping
from train.errors import RunError
from train.models import Classifier
from train.predictions import schema_of
from train.task import task_of

BATCH = 64


def probabilities_of(
    model: Classifier,
    store: StoreLike,
    condition: str,
    split: str,
    *,
    features: LogMel | None = None,
    crop: Crop | None = None,
    threads: int | None = None,
    cache: Cache | None = None,
    links: Mapping[str, Link] | None = None,
) -> np.ndarray:
    """Class probabilities of a split's clips, of several stores those in the condition's, in the
    order of the clips table: float32 of shape (clips, classes).

    Args:
        model: The classifier, in evaluation mode.
        store: The opened store.
        condition: Condition to evaluate.
        split: Split to evaluate.
        features: The log-mel that the classifier takes. Default: that of Hu et al.
        crop: What is taken of each clip; a random crop is taken in the centre. Default: all of it.
        threads: Threads to decode in. Default: one process per core instead.
        cache: Local cache of features. Default: none.
        links: Links that the condition may name. Default: presets alone.

    Raises:
        RunError: The condition lacks clips of the split, or clips differ in length.
    """
    rows = evaluated_rows(store, split, condition)
    check_one_length(store, crop, rows, [condition])
    if crop is not None and crop.where == "random":
        crop = replace(crop, where="centre")
    stream = Stream.evaluation(
        store,
        condition,
        split=split,
        batch_size=BATCH,
        features=features or LogMel(),
        crop=crop,
        threads=threads,
        feature_cache=cache,
        links=links,
    )
    if (available := stream.plan.epoch_size(0)) != len(rows):
        raise RunError(
            f"condition '{condition}' of {store.url} has {available} of the {len(rows)} clips of split '{split}', so tables would compare "
            "different clips; leave it out of the evaluated conditions, or build it for all clips"
        )
    task = task_of(store)
    return torch.cat([task.probabilities(_logits(model, batch["logmel"])) for batch in stream]).numpy()


@torch.inference_mode()
def _logits(model: Classifier, features: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(features.to(next(model.parameters()).device))
    return logits.float().cpu()


def predictions_of(
    store: StoreLike, split: str, condition: str, probabilities: np.ndarray, *, row: str, seed: int, fold: str | None = None
) -> pa.Table:
    """A table of predictions (`train.predictions.SCHEMA`, or `LABELS_SCHEMA` if the store has several
    labels per clip) from class probabilities.

    Args:
        store: The opened store.
        split: Split that was evaluated.
        condition: Condition that was evaluated.
        probabilities: Of shape (clips, classes), in the order of the split's clips.
        row: Name of the experiment row.
        seed: Seed of the run.
        fold: Fold that was held out, if folds were.
    """
    clips = store.clips.take(pa.array(evaluated_rows(store, split, condition)))
    count = len(clips)
    groups = pc.coalesce(clips["group"], clips["clip_id"])
    if name := split_store(condition)[0]:
        groups = pc.binary_join_element_wise(name, groups, ":")
    if store.manifest.target == "labels":
        learned = {"labels": clips["labels"]}
    else:
        learned = {"label": clips["label"], "predicted": pa.array(store.manifest.labels).take(pa.array(probabilities.argmax(1)))}
    table = pa.table(
        {
            "row": [row] * count,
            "seed": [seed] * count,
            "fold": pa.array([fold] * count, pa.string()),
            "condition": [condition] * count,
            "clip_id": clips["clip_id"],
            "group": groups,
            **learned,
            "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
        }
    )
    return table.cast(schema_of(table))


def evaluated_rows(store: StoreLike, split: str, condition: str) -> np.ndarray:
    """Row numbers of a split's clips; of several stores, in that of the condition."""
    rows = split_rows(store, split)
    name = split_store(condition)[0]
    return rows[np.asarray(pc.equal(store.clips[STORE_COLUMN], name))[rows]] if name else rows


def check_one_length(store: StoreLike, crop: Crop | None, clips: np.ndarray, conditions: Iterable[str]) -> int:
    """Samples of each of some clips, or of its crop. Raises RunError if they differ: the models
    would take what fills the shorter ones up for sound.

    Args:
        store: The store.
        crop: What is taken of each clip; None for all of it.
        clips: Row numbers of the clips that are trained on or evaluated.
        conditions: The conditions in which they are.
    """
    rate, samples, rates = common_rate(store, conditions), store.clips["samples"].to_numpy(), clip_rates(store)
    lengths = Cropping(samples=samples, rates=rates, rate=rate, crop=crop).row_samples(clips)
    if lengths.min() < lengths.max():
        seconds = samples[clips] / rates[clips]
        raise RunError(
            f"{store.url}: clips have {seconds.min():.2f} to {seconds.max():.2f} s, but the models need one length; "
            "give the run a crop such as 'crop: {seconds: 1, where: random, pad: zeros}', or build the store with --seconds"
        )
    return int(lengths[0])


def check_labels(store: StoreLike, split: str) -> None:
    """Raise RunError if a label of the store has no clip in a split."""
    name = store.manifest.target
    assert name in ("label", "labels"), "task_of comes first"
    column = store.clips[name].take(pa.array(split_rows(store, split)))
    present = set((column if name == "label" else pc.list_flatten(column)).to_pylist())
    missing = [label for label in store.manifest.labels if label not in present]
    if missing:
        raise RunError(
            f"split '{split}' of {store.url} has no clip of {', '.join(missing)}; "
            "choose another split, or build the store without these labels"
        )
