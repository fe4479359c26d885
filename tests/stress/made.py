"""Answers that tests write down, as predictions and as cards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from streamaug.condition_names import condition_order
from streamaug.links import Link
from streamaug.store import Store
from streamaug.stress.analyse import analyse
from streamaug.stress.analysis.answers import Answers, answers_of
from streamaug.stress.card_file import CARD_FILE
from streamaug.stress.predictions import PREDICTIONS_FILE, Predictions, predictions_schema, write_predictions
from streamaug.stress.settings import ModelIdentity, StressSettings

SHA256 = "0" * 64


def predictions_of(
    clips: Mapping[str, str | list[str]],
    scores: Mapping[str, np.ndarray | Sequence[Sequence[float]]],
    columns: Sequence[str],
    groups: Mapping[str, str] | None = None,
) -> Predictions:
    """Predictions with the given scores.

    Args:
        clips: The label, or labels, of each clip.
        scores: For each condition the scores of the clips, in their order.
        columns: What the scores are for.
        groups: Group of each clip. Default: each its own.
    """
    target = "label" if isinstance(next(iter(clips.values())), str) else "labels"
    names = sorted(scores, key=condition_order)
    rows = [
        {"condition": name, "clip_id": clip, "group": (groups or {}).get(clip, clip), target: learned, "scores": list(map(float, each))}
        for name in names
        for (clip, learned), each in zip(clips.items(), scores[name], strict=True)
    ]
    table = pa.Table.from_pylist(rows, predictions_schema(target))
    return Predictions(table=table, columns=tuple(columns), keys=dict.fromkeys(names, SHA256))


def answers(
    clips: Mapping[str, str | list[str]],
    scores: Mapping[str, np.ndarray | Sequence[Sequence[float]]],
    columns: Sequence[str],
    groups: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
) -> Answers:
    """The same as arrays. labels: those of the store. Default: the columns."""
    return answers_of(predictions_of(clips, scores, columns, groups), labels or columns, "predictions.parquet")


def settings_of(name: str = "model", store: str = "store", columns: Sequence[str] = ("cat", "dog", "owl")) -> StressSettings:
    """Settings of a run."""
    return StressSettings(
        model=ModelIdentity(name=name, kind="imported", sha256=SHA256),
        store=store,
        split="evaluate",
        rate=44_100,
        features="waveform",
        feature_settings="Waveform()",
        columns=tuple(columns),
        batch_size=8,
        device="cpu",
        versions={"torch": "2.9"},
    )


def store_predictions(store: Store, seed: int, *, skill: float = 0.8) -> Predictions:
    """Made-up answers to all clips of a store of one label per clip, worse in coded conditions."""
    labels, rng = store.manifest.labels, np.random.default_rng(seed)
    truth = np.array([labels.index(label) for label in store.clips["label"].to_pylist()])
    clips = dict(zip(store.clips["clip_id"].to_pylist(), store.clips["label"].to_pylist(), strict=True))
    scores = {}
    for number, name in enumerate(store.conditions):
        lead = rng.random(len(truth)) < skill / (1 + 0.5 * number)
        values = rng.random((len(truth), len(labels)))
        values[np.arange(len(truth)), truth] += lead
        scores[name] = values / values.sum(1, keepdims=True)
    return predictions_of(clips, scores, labels)


def write_card_without_page(
    folder: Path, predictions: Predictions, store: Store, name: str = "model", links: Mapping[str, Link] | None = None
) -> Path:
    """A folder with predictions and card.json, as `streamaug stress` leaves it, but without the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / PREDICTIONS_FILE, predictions)
    settings = settings_of(name, "kinds", store.manifest.labels)
    card = analyse(answers_of(predictions, store.manifest.labels, str(folder)), settings=settings, snapshot=store.snapshot, links=links)
    (folder / CARD_FILE).write_bytes(card.to_bytes())
    return folder
