"""Open and check all that a run needs, before its folder is created."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamaug.condition_names import split_link
from streamaug.crop import Crop
from streamaug.features import EDGE, LogMel
from streamaug.links import find_link
from streamaug.planning import Plan
from streamaug.planning.open_plan import open_plan
from streamaug.planning.open_stores import open_stores
from streamaug.recipes import Recipe, load_recipe
from streamaug.store.catalogue import StoreLike, on_snapshot
from streamaug.store.rates import common_rate, used_stores
from streamaug.streaming import Stream
from train.augment import CROP_FRAMES
from train.config import RunConfig
from train.errors import RunError
from train.evaluate import check_labels, check_one_length, evaluated_rows
from train.results import paper_order
from train.task import Task, task_of

CLIPS_PER_STEP = 64

FEWEST_FRAMES = 16
"""Frames that a crop must have, so that the models' four halvings leave one."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run whose store, recipe and plan are opened and checked.

    Args:
        config: The run's settings.
        store: The opened store, or several; one object for training and evaluation, so that each index is read
            once.
        plan: The recipe on the store's training split.
        conditions: Conditions to evaluate, in the order of the tables.
        total: Training steps.
    """

    config: RunConfig
    store: StoreLike
    plan: Plan
    conditions: tuple[str, ...]
    total: int

    @property
    def folder(self) -> Path:
        return self.config.run

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def batch_size(self) -> int:
        """Rows of a step, over all ranks; see `rows_per_step`."""
        return rows_per_step(self.plan.views, self.config.devices)

    @property
    def task(self) -> Task:
        return task_of(self.store)

    def stream(self) -> Stream:
        """The training stream of this rank, from the start of the plan."""
        return Stream(
            self.plan,
            self.store,
            split=self.config.train_on,
            seed=self.config.seed,
            batch_size=self.batch_size,
            tail="drop",
            features=self.config.log_mel.feature,
            crop=self.config.crop,
            threads=self.config.threads,
            # A link loses other packets in every epoch, so a cache cannot serve its rows; evaluation still uses it.
            feature_cache=None if self.recipe.used_links else self.config.feature_cache,
        )


def rows_per_step(views: int, devices: int) -> int:
    """Rows of a training step: as many as show at most 64 clips, and on each device the same even
    number, for mixup's pairs.

    Args:
        views: Clips that a row shows.
        devices: Ranks that share the step.

    >>> [rows_per_step(views, 1) for views in (1, 2, 3)], rows_per_step(6, 2)
    ([64, 32, 20], 8)
    """
    return max(CLIPS_PER_STEP // (2 * views * devices), 1) * 2 * devices


def prepare(config: RunConfig) -> Run:
    """Open and check all that a run needs.

    Args:
        config: The run's settings.

    Raises:
        RunError: The store has no labels, a split lacks one, the clips differ in length or are too
            short, or an epoch has fewer rows than one step.
        RecipeError: The recipe is wrong, or names a condition that the store lacks.
        StoreError: There is no such store, condition or split.
        LinkError: A link is not defined, or a condition cannot have one.
    """
    recipe = load_recipe(config.recipe)
    store = open_stores(recipe, config.store)
    if config.snapshot is not None:
        store = on_snapshot(store, config.snapshot)
    config = config.model_copy(update={"snapshot": store.snapshot})
    conditions = tuple(paper_order(config.conditions or store.conditions))
    used = {*recipe.conditions, *conditions}
    check_channels(store, used)
    for condition in conditions:
        store.locations(condition)
        if link := split_link(condition)[1]:
            find_link(link, recipe.links)
    task_of(store)
    for split in (config.train_on, config.evaluate_on):
        check_labels(store, split)
    plan = open_plan(recipe, store, split=config.train_on, seed=config.seed)
    evaluated = (evaluated_rows(store, config.evaluate_on, condition) for condition in conditions)
    check_length(store, config.crop, config.log_mel.feature, np.unique(np.concatenate([plan.clips, *evaluated])), used)
    run = Run(config=config, store=store, plan=plan, conditions=conditions, total=config.total(plan.epoch_size(0)))
    if plan.epoch_size(0) < run.batch_size:
        raise RunError(
            f"recipe '{recipe.title}': an epoch has {plan.epoch_size(0)} rows, fewer than one step of {run.batch_size}; "
            "add clips or conditions, or write greater weights"
        )
    run.stream()  # raises now, before the folder is created, what it would raise in training
    return run


def check_channels(store: StoreLike, conditions: Iterable[str]) -> None:
    """Raise RunError if a store of some conditions has more channels than the models take."""
    stereo = next((each for each in used_stores(store, conditions).values() if each.manifest.channels > 1), None)
    if stereo is not None:
        raise RunError(f"{stereo.url}: the clips are stereo, but the models take one channel; build a store with --channels mono")


def check_length(store: StoreLike, crop: Crop | None, feature: LogMel, clips: np.ndarray, conditions: Collection[str]) -> None:
    """Raise RunError if some clips of some conditions, or their crops, differ in length or are too
    short for the models."""
    samples, rate = check_one_length(store, crop, clips, conditions), common_rate(store, conditions)
    log_mel = feature.at_rate(rate)
    if log_mel.frames(samples) - 2 * EDGE - CROP_FRAMES < FEWEST_FRAMES:
        needed = (FEWEST_FRAMES + 2 * EDGE + CROP_FRAMES - 1) * log_mel.hop / rate
        raise RunError(
            f"{store.url}: clips have {samples / rate:.2f} s, but the models need {needed:.2f} s; give the run a 'crop' of "
            f"{math.ceil(100 * needed) / 100:.2f} seconds or more with 'pad: zeros', build the store with --seconds of as many, or lower "
            "the 'hop' of 'log_mel'"
        )
