"""The demo's page: what coding does to a classifier and what training on coded audio does about it, in
a minute."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.files import write_whole
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.pages.spectrogram import picture_of
from streamaug.recipes import load_recipe
from streamaug.recipes.familiarity import familiarity
from streamaug.store import Store
from streamaug.stress.bootstrap import AccuracyDifference, paired_difference
from train.charts import accuracy_chart, accuracy_series
from train.listening import answers_of, percent, players_with_answers, telling_clip, truth_of
from train.paper.tables import PAPER, Tables
from train.predictions import by_clip
from train.results import ORIGINAL, chance_of

SHOWN = (ORIGINAL, "mp3_64", "mp3_32", "sbc_64")
"""Conditions of the picture of one clip: what each cuts off is different."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One of the demo's trainings, with all of its seeds.

    Args:
        row: Its experiment row.
        name: What the page calls it.
        conditions: What it is trained on.
    """

    row: str
    name: str
    conditions: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Three trainings, evaluated on the same clips.

    Args:
        predictions: Of all three.
        before: On original audio alone.
        paper: On the paper's mixture.
        best: On the recipe that docs/results.md found best, chosen before the demo ran.
        conditions: In which all are evaluated, from the top of the page.
    """

    predictions: pa.Table
    before: Training
    paper: Training
    best: Training
    conditions: Sequence[str]

    @property
    def trainings(self) -> tuple[Training, Training, Training]:
        return self.before, self.paper, self.best

    @property
    def coded(self) -> list[str]:
        return [name for name in self.conditions if name != ORIGINAL]

    @property
    def seeds(self) -> list[int]:
        return sorted(self.predictions["seed"].unique().to_pylist())

    def right(self, training: Training, conditions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The groups of the clips, and the share of seeds and conditions in which each clip is right."""
        found = [by_clip(self.predictions, training.row, name) for name in conditions]
        return found[0][1], np.mean([right for _, _, right in found], axis=0)

    def accuracy(self, training: Training, conditions: Sequence[str]) -> float:
        return float(self.right(training, conditions)[1].mean())

    def gain(self, training: Training, over: Training, conditions: Sequence[str]) -> AccuracyDifference:
        """How much better one training is than another, on average over some conditions."""
        groups, before = self.right(over, conditions)
        return paired_difference(self.right(training, conditions)[1], before, groups)


def headline(compared: Comparison) -> str:
    """The result in measured numbers."""
    before, paper, best = compared.trainings
    original, coded = (percent(compared.accuracy(before, names)) for names in ([ORIGINAL], compared.coded))
    reached, kept = (percent(compared.accuracy(best, names)) for names in (compared.coded, [ORIGINAL]))
    over_paper = compared.gain(best, paper, compared.coded)
    return (
        f"Trained on original audio, a classifier of acoustic scenes is right for {original} of original clips, and for {coded} of "
        f"the same clips after coding (mean of {len(compared.coded)} conditions). Trained for as many steps on a curriculum from mild to "
        f"strong coding, it is right for {reached} of the coded clips: {_in_words(compared.gain(best, before, compared.coded))}; "
        f"and for {kept} of the originals ({_points(compared.gain(best, before, [ORIGINAL]))}). "
        f"With the paper's mixture, {' + '.join(paper.conditions)}, it is right for {percent(compared.accuracy(paper, compared.coded))}; "
        f"the curriculum {_verdict(over_paper)} ({_points(over_paper)}). Guessing gives {percent(chance_of(compared.predictions))}."
    )


def _in_words(difference: AccuracyDifference) -> str:
    low, high = (f"{100 * end:+.0f}" for end in (difference.low, difference.high))
    return f"{100 * difference.mean:+.0f} percentage points, 95 % interval {low} to {high}"


def _verdict(difference: AccuracyDifference) -> str:
    """What an interval lets us say about the second of two trainings.

    >>> [_verdict(AccuracyDifference(mean=mean, low=mean - 1, high=mean + 1)) for mean in (2, 0, -2)]
    ['is better', 'is not measurably different', 'is worse']
    """
    if not difference.is_significant:
        return "is not measurably different"
    return "is better" if difference.mean > 0 else "is worse"


def _points(difference: AccuracyDifference) -> str:
    return f"{100 * difference.mean:+.0f} [{100 * difference.low:+.0f}, {100 * difference.high:+.0f}]"


def result_table(compared: Comparison) -> Table:
    """All trainings by condition, in percent."""
    before, paper, best = compared.trainings
    lines = []
    for name in compared.conditions:
        accuracies = [f"{100 * compared.accuracy(training, [name]):.0f}" for training in compared.trainings]
        known = [familiarity(name, training.conditions) for training in (paper, best)]
        lines.append([name, *accuracies, _points(compared.gain(best, before, [name])), *known])
    header = ["condition", *(f"% right, {training.name}" for training in compared.trainings)]
    header += [f"{best.name} - {before.name} [95 % interval]", f"to {paper.name}", f"to {best.name}"]
    return Table(header=header, rows=lines)


def seeds_table(compared: Comparison) -> Table:
    """The mean over coded conditions of each training, seed by seed, in percent."""
    of_seed = {seed: compared.predictions.filter(pc.equal(compared.predictions["seed"], seed)) for seed in compared.seeds}
    lines = []
    for training in compared.trainings:
        means = [np.mean([by_clip(own, training.row, name)[2].mean() for name in compared.coded]) for own in of_seed.values()]
        lines.append([training.name, *(f"{100 * mean:.0f}" for mean in means)])
    return Table(header=["% right of coded clips", *(f"seed {seed}" for seed in of_seed)], rows=lines)


def chart(compared: Comparison) -> bytes:
    """All trainings by condition, as PNG."""
    series = [accuracy_series(compared.predictions, each.row, compared.conditions, each.name) for each in compared.trainings]
    return accuracy_chart(compared.predictions, compared.conditions, series)


def write_page(folder: Path, store: Store, compared: Comparison, tables: Tables, recipe: Path, mixture: bytes, left_out: str) -> Path:
    """Write index.html, and its chart and spectrograms as PNG.

    Args:
        folder: The demo's folder.
        store: The demo's store.
        compared: The trainings.
        tables: The rows of the paper among them, in the paper's shape.
        recipe: The file of the best training's recipe.
        mixture: What that mixes over the training, as PNG.
        left_out: Conditions that are missing, with the reason; empty if there are none.
    """
    labels = store.manifest.labels
    clip_id = telling_clip(compared.predictions, labels)
    drawn = chart(compared)
    shown = [name for name in SHOWN if name in compared.conditions]
    seen = picture_of({name: store.read(name, clip_id) for name in shown})
    write_whole(folder / "accuracy.png", drawn)
    write_whole(folder / "spectrograms.png", seen)
    result: list[Text | Table | Picture] = [
        Picture(png=drawn, alt="the table below as a chart"),
        result_table(compared),
        Text(text=_READ),
    ]
    if len(compared.seeds) > 1:
        result += [seeds_table(compared), Text(text=_SEEDS)]
    if left_out:
        result.append(Text(text=left_out))
    sections = [
        Section(title="Accuracy by condition", parts=result),
        Section(
            title="What coding takes away",
            parts=[Text(text=_SEEN.format(clip_id=clip_id)), Picture(png=seen, alt=f"spectrograms of one clip in {', '.join(shown)}")],
        ),
        Section(
            title="The same clip to hear",
            parts=[
                Text(text=f"It is '{truth_of(compared.predictions, clip_id)}'. {_HEARD}"),
                *players_with_answers(store, "", clip_id, _answers(compared, clip_id, labels)),
            ],
        ),
        Section(
            title="What the curriculum trains on",
            parts=[
                Text(text="Each clip comes once per epoch, in one condition. The share of each condition over the training:"),
                Picture(png=mixture, alt="share of each condition over the training"),
                Text(text="The recipe, which is all that there is to write:"),
                Text(text=load_recipe(recipe).to_yaml(), kind="code"),
            ],
        ),
        Section(title="What to do next", parts=_next(folder, recipe, compared.best)),
        Section(title="Where this comes from: the paper", parts=_paper(compared, tables), folded=True),
    ]
    path = folder / "index.html"
    write_whole(path, page("What coding does to a classifier, and what training on it does", headline(compared), sections))
    return path


def _answers(compared: Comparison, clip_id: str, labels: Sequence[str]) -> dict[str, str]:
    """What two models of the first seed answer for a clip, by condition."""
    first = compared.predictions.filter(pc.equal(compared.predictions["seed"], compared.seeds[0]))
    before, best = (
        answers_of(first.filter(pc.equal(first["row"], each.row)), clip_id, labels) for each in (compared.before, compared.best)
    )
    return {name: f"{before[name]} if trained on {compared.before.name}; {best[name]} on the {compared.best.name}" for name in before}


_READ = (
    "A condition is a codec and its bitrate in kbit/s. 'Seen' was in the training; of the others, the bitrate or the whole codec was "
    "not. Accuracies are means over the seeds, and intervals are of a bootstrap over the places of the clips, not over seeds. All three "
    "trainings take the same number of steps. The scenes are synthetic, and their high band says much: what codecs cost here is not what "
    "they cost elsewhere."
)
_SEEDS = "A seed decides the first weights and the order of the clips; the same seed gives all three trainings the same first weights."
_SEEN = "Clip {clip_id} as it was, and coded. Black is what the codec left out; a classifier that listens there is lost."
_HEARD = (
    "Of all clips, its class loses the most probability by coding. For each codec: the original, its highest and its lowest bitrate, and "
    "what two models of the first seed answer. Start one while another plays, and it goes on at the same place."
)


def model_of(folder: Path, row: str, seed: int) -> Path:
    """The trained model of an experiment row."""
    return folder / "runs" / f"row_{row}" / f"seed_{seed}" / "model.safetensors"


def _next(folder: Path, recipe: Path, best: Training) -> list[Text]:
    written, model = os.path.relpath(recipe), model_of(folder, best.row, 0)
    return [
        Text(text="Hear any clip in any condition, count what the curriculum trains on, or shard audio of your own:"),
        Text(
            text="source .venv/bin/activate\n"
            f"streamaug explore {folder}/store\n"
            f"streamaug plan {written} {folder}/store\n"
            "streamaug build CLIPS.csv STORE",
            kind="code",
        ),
        Text(
            text="What codecs do to a model, of whatever kind, is on its card. That of the curriculum's first model, "
            f"{folder}/card/card.html, is of:"
        ),
        Text(
            text=f"streamaug stress {model} {folder}/store \\\n"
            f"    --class train.stress:classifier --features logmel --recipe {written} --name {best.name} --out {folder}/card",
            kind="code",
        ),
    ]


def _paper(compared: Comparison, tables: Tables) -> list[Text | Table]:
    before, paper, best = compared.trainings
    text = (
        f"Two of the trainings are rows of Table 3 of a paper: row {before.row} is original audio alone, row {paper.row} is "
        f"{' + '.join(paper.conditions)}, with each clip once in each of them. The {best.name} is this project's own. {tables.summary}"
    )
    parts: list[Text | Table] = [Text(text=text)]
    if tables.paper is not None:
        parts += [Text(text=f"{PAPER}. Accuracy:"), tables.paper]
    return [*parts, Text(text="The same here:"), tables.main, tables.rows]
