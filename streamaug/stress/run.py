"""A run: one pass of a model over every condition of a store, resumed where it was stopped."""

import contextlib
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from streamaug.codecs import decoder_version
from streamaug.crop import Crop
from streamaug.errors import StoreError, StreamaugError
from streamaug.folder_lock import held
from streamaug.links import Link, open_links
from streamaug.planning.clips_digest import digest_of
from streamaug.planning.sequential import SequentialPlan
from streamaug.progress import Progress, Silent
from streamaug.store import Store
from streamaug.store.catalogue import split_rows
from streamaug.stress.columns import contradiction, score_columns
from streamaug.stress.conditions import EvaluatedConditions, choose_conditions, used_links
from streamaug.stress.evaluation import Evaluation
from streamaug.stress.inputs import open_input
from streamaug.stress.models import OpenedModel
from streamaug.stress.parts import PARTS, open_folder, part_path, publish, read_parts
from streamaug.stress.predictions import LearnedLabels, Predictions, write_predictions
from streamaug.stress.probe import count_scores
from streamaug.stress.ranks import Ranks
from streamaug.stress.settings import FixedCrop, StressSettings

BATCH_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class StressRun:
    """What a run is about, before it begins.

    Args:
        settings: What decides the scores.
        conditions: What is evaluated.
        evaluation: How.
        links: The links of the conditions by name.
    """

    settings: StressSettings
    conditions: EvaluatedConditions
    evaluation: Evaluation
    links: Mapping[str, Link]


def prepare(
    model: OpenedModel,
    store: Store,
    *,
    conditions: Sequence[str] | None = None,
    links: Mapping[str, Any] | None = None,
    split: str = "evaluate",
    features: str = "waveform",
    rate: int | None = None,
    crop: Crop | None = None,
    labels: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    threads: int | None = None,
) -> StressRun:
    """Check that a model, a store and the settings of a run fit together; the model answers a batch
    of noise.

    Args:
        model: The opened model.
        store: The opened store.
        conditions: Conditions to evaluate, besides `original`; perhaps on links, such as
            `opus-voip_24~wifi@1`. Default: all that have every clip of the split.
        links: The links that conditions may name, as a recipe has them: `{"loss10": {"loss": 0.1}}`;
            or those of a recipe. Default: presets alone.
        split: Clips to evaluate.
        features: What the model gets: `waveform`, another registered name, or
            `package.module:name` of a Feature, or of a module or function on a waveform.
        rate: Sample rate in Hz to resample clips to. Default: the store's.
        crop: What is taken of each clip, at the `start` or in the `centre`. Default: all of it.
        labels: The model's classes in the order of its scores. Default: what the model itself calls
            them, or else the store's labels.
        batch_size: Clips that the model gets together.
        workers: Number of decode processes. Default: one per core.
        threads: Number of threads to decode in, in place of processes: for so few clips that starting
            processes for each condition takes longer. Default: processes.

    Raises:
        ModelError: The model fails, or gives what are no scores of the store's labels.
        StoreError: Split or conditions do not fit the store, or its clips have no labels.
        LinkError: A link is not defined, or the packets of its condition cannot be lost.
        FeatureError: The feature is unknown or does not fit the clips.
        StreamaugError: The crop does not fit the clips.
    """
    if crop is not None and crop.where == "random":
        raise StreamaugError(
            "a random crop would give other answers each time; write Crop(..., where='start') or 'centre', or leave crop out"
        )
    target = _target(store)
    clips = split_rows(store, split)
    used = used_links(conditions or (), open_links(links))
    chosen = choose_conditions(store, split, clips, conditions)
    inputs = open_input(store, clips, features=features, rate=rate, crop=crop, batch_size=batch_size)
    names, source = (model.class_names, model.identity.name) if labels is None else (labels, "--labels")
    if message := contradiction(labels or (), model.class_names or (), store.manifest.labels):
        warnings.warn(message, stacklevel=2)
    columns = score_columns(count_scores(model, inputs, batch_size), store.manifest.labels, target, names, source)
    settings = StressSettings(
        model=model.identity,
        store=store.manifest.name,
        split=split,
        rate=inputs.rate,
        features=inputs.name,
        feature_settings=inputs.settings,
        crop=None if crop is None else FixedCrop.model_validate(vars(crop)),
        columns=columns.labels,
        batch_size=batch_size,
        device=model.computes_on,
        versions={"streamaug": version("streamaug"), "decoder": decoder_version(), **model.versions},
    )
    evaluation = Evaluation(
        model=model,
        columns=columns,
        inputs=inputs,
        store=store,
        links=used,
        target=target,
        split=split,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        threads=threads,
    )
    return StressRun(settings=settings, conditions=chosen, evaluation=evaluation, links=used)


def run_all(run: StressRun, folder: Path, *, ranks: Ranks | None = None, progress: Progress | None = None) -> Predictions | None:
    """Evaluate the conditions that a folder lacks, and write `predictions.parquet`.

    Args:
        run: The prepared run.
        folder: The run's folder; a folder of the same run is completed.
        ranks: Processes that share the conditions. Default: this one alone.
        progress: Gets the number of clips that are done.

    Returns:
        The predictions, on rank 0; None on the others.

    Raises:
        StreamaugError: The folder belongs to something else, another process writes to it, or another
            rank has failed.
        ModelError: The model fails, or gives what are no scores; names condition and clips.
        CorruptError, FetchError, FeatureError, WorkerError: A clip cannot be read, decoded, or made
            into the feature.
    """
    ranks, progress = ranks or Ranks(), progress or Silent()
    keys = {condition: _key(run, condition) for condition in run.conditions.names}
    if len({*map(str, ranks.gather(keys))}) > 1:
        raise StreamaugError(
            "the ranks have different models, settings or stores; give each the same files and packages, and seed the model's weights"
        )
    with contextlib.ExitStack() as stack:
        available: list[str] = []
        if ranks.rank == 0:
            open_folder(folder, run.settings)
            stack.enter_context(held(folder, PARTS))
            available = list(read_parts(folder, keys))
        available = ranks.gather(available)[0]
        missing = [condition for condition in keys if condition not in available]
        own = missing[ranks.rank :: ranks.world]
        stage = "evaluating" if ranks.group is None else f"evaluating on rank 0 of {ranks.world}"
        progress.begin(stage, len(own) * len(run.evaluation.clips))
        for condition in own:
            table = run.evaluation.run(condition, progress)
            part = Predictions(table=table, columns=run.settings.columns, keys={condition: keys[condition]})
            write_predictions(part_path(folder, condition), part)
        ranks.gather(None)
        return publish(folder, keys) if ranks.rank == 0 else None


def _target(store: Store) -> LearnedLabels:
    target = store.manifest.target
    if target == "label" or target == "labels":
        return target
    has = "numbers as targets" if target else "no labels"
    raise StoreError(
        f"{store.url} has {has}, and a model's scores are compared with labels; build it from a table with a column label or labels"
    )


def _key(run: StressRun, condition: str) -> str:
    """The digest of all that decides the predictions of a condition."""
    evaluation = run.evaluation
    plan = SequentialPlan.of(evaluation.store, [condition], evaluation.split, links=run.links)
    groups = digest_of(evaluation.store.clips.take(pa.array(evaluation.clips)), ["group"])
    return hashlib.sha256(f"{run.settings.digest}\n{plan.identity.hash}\n{groups}".encode()).hexdigest()
