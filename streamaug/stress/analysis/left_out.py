"""What a codec or an encoder costs that training never used: leave-one-out gaps from trained runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.errors import StoreError
from streamaug.recipes.leave_one_out import codecs_of, encoders_of
from streamaug.store.format import Strict
from streamaug.stress.analysis.figure import Figure
from streamaug.stress.bootstrap import paired_difference


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A finished run and its answers.

    Args:
        name: Its folder, for errors.
        sha256: Of its predictions.
        trained_on: The conditions of its mixture.
        clip_ids: The evaluated clips, ascending, (clips,).
        groups: Their groups, (clips,).
        right: For each evaluated condition, which clips were answered right, (clips,).
    """

    name: str
    sha256: str
    trained_on: tuple[str, ...]
    clip_ids: np.ndarray
    groups: np.ndarray
    right: dict[str, np.ndarray]

    @property
    def encoders(self) -> frozenset[str]:
        """The encoders of its mixture, each as codec and variant."""
        return frozenset(encoder for condition in self.trained_on for encoder in encoders_of(condition))


class Gap(Strict):
    """What a codec or an encoder costs if it is left out of training.

    Args:
        name: What is left out: a codec, or one encoder of several, such as `mp3@shine`.
        conditions: The evaluated conditions that use it.
        trained: Accuracy in them of the runs that were trained on it.
        left_out: Accuracy in them of the runs whose mixture is the same without it.
        difference: `left_out` less `trained`.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        runs: Numbers of runs, with it and without it.
    """

    name: str
    conditions: tuple[str, ...]
    trained: Figure
    left_out: Figure
    difference: Figure
    low: Figure
    high: Figure
    runs: tuple[int, int]


def leave_one_out_gaps(runs: Sequence[TrainedRun]) -> list[Gap]:
    """The gap of each codec or encoder that some runs leave out, by name.

    The runs with all encoders are compared with those that lack one, or all of one codec; several
    runs of a kind, such as seeds, are averaged clip by clip.

    Args:
        runs: At least one.

    Raises:
        StoreError: The runs do not fit together: they evaluate other clips, or leave out more than
            one codec, or none of them has everything, or none leaves something out.
    """
    everything = frozenset[str]().union(*(run.encoders for run in runs))
    complete = [run for run in runs if run.encoders == everything]
    if not complete:
        raise StoreError(
            f"--run: no run was trained on all of {', '.join(sorted(everything))}; add the run of the recipe that nothing was left out of"
        )
    left: dict[str, list[TrainedRun]] = {}
    for run in runs:
        _check_clips(run, runs[0])
        if missing := everything - run.encoders:
            left.setdefault(_name(missing, everything, run), []).append(run)
    if not left:
        raise StoreError("--run: no run leaves a codec out; train on the recipes that 'streamaug recipe leave-one-out' writes")
    return [_gap(name, complete, left[name]) for name in sorted(left)]


def _name(missing: frozenset[str], everything: frozenset[str], run: TrainedRun) -> str:
    """What a run leaves out: a codec, or one of its encoders."""
    codecs = {encoder.partition("@")[0] for encoder in missing}
    if len(codecs) == 1:
        (codec,) = codecs
        if missing == {encoder for encoder in everything if encoder.partition("@")[0] == codec}:
            return codec
        if len(missing) == 1:
            return min(missing)
    raise StoreError(
        f"--run: {run.name} was trained without {', '.join(sorted(missing))}, but a gap is of one codec or encoder; give runs of recipes "
        "that 'streamaug recipe leave-one-out' wrote"
    )


def _gap(name: str, complete: Sequence[TrainedRun], without: Sequence[TrainedRun]) -> Gap:
    everywhere = set.intersection(*(set(run.right) for run in (*complete, *without)))
    conditions = tuple(sorted(condition for condition in everywhere if name in (*codecs_of(condition), *encoders_of(condition))))
    if not conditions:
        raise StoreError(f"--run: no condition of {name} was evaluated in all runs; evaluate one, with 'conditions' of the runs")
    trained, left_out = (
        np.mean([run.right[condition] for run in some for condition in conditions], axis=0) for some in (complete, without)
    )
    difference = paired_difference(left_out, trained, complete[0].groups)
    return Gap(
        name=name,
        conditions=conditions,
        trained=float(trained.mean()),
        left_out=float(left_out.mean()),
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        runs=(len(complete), len(without)),
    )


def _check_clips(run: TrainedRun, first: TrainedRun) -> None:
    if not (np.array_equal(run.clip_ids, first.clip_ids) and np.array_equal(run.groups, first.groups)):
        raise StoreError(f"--run: {run.name} and {first.name} were evaluated on different clips; give runs of one store and split")
