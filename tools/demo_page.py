"""The demo's page: what coding does to a classifier and what a mixture does about it, in a minute."""

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
from streamaug.planning import Plan
from streamaug.recipes.familiarity import familiarity
from streamaug.store import Store
from streamaug.stress.bootstrap import AccuracyDifference, paired_difference
from train.charts import accuracy_chart, accuracy_series
from train.listening import answers_of, percent, players_with_answers, telling_clip, truth_of
from train.paper.tables import PAPER, Tables
from train.predictions import by_clip
from train.report import ledger_table
from train.results import ORIGINAL, chance_of

BEFORE, AFTER = "trained on original audio", "trained on the mixture"
SHOWN = (ORIGINAL, "mp3_64", "mp3_32", "sbc_64")
"""Conditions of the picture of one clip: what each cuts off is different."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two trainings, evaluated on the same clips.

    Args:
        predictions: Of both.
        before: The experiment row that is trained on original audio.
        after: The one that is trained on the mixture.
        mixture: What that one is trained on.
        conditions: In which both are evaluated, from the top of the page.
    """

    predictions: pa.Table
    before: str
    after: str
    mixture: Sequence[str]
    conditions: Sequence[str]

    @property
    def coded(self) -> list[str]:
        return [name for name in self.conditions if name != ORIGINAL]

    def right(self, row: str, conditions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The groups of the clips, and the share of the conditions in which each clip is right."""
        found = [by_clip(self.predictions, row, name) for name in conditions]
        return found[0][1], np.mean([right for _, _, right in found], axis=0)

    def accuracy(self, row: str, conditions: Sequence[str]) -> float:
        return float(self.right(row, conditions)[1].mean())

    def gain(self, conditions: Sequence[str]) -> AccuracyDifference:
        """How much better the mixture is, on average over some conditions."""
        groups, before = self.right(self.before, conditions)
        return paired_difference(self.right(self.after, conditions)[1], before, groups)


def headline(compared: Comparison) -> str:
    """The result in measured numbers."""
    original, before = (percent(compared.accuracy(compared.before, names)) for names in ([ORIGINAL], compared.coded))
    after, gained = percent(compared.accuracy(compared.after, compared.coded)), compared.gain(compared.coded)
    return (
        f"Trained on original audio, a classifier of acoustic scenes is right for {original} of original clips, and for {before} of "
        f"the same clips after coding (mean of {len(compared.coded)} conditions). Trained for as many steps on a mixture of original and "
        f"coded audio, it is right for {after} of the coded clips: {100 * gained.mean:+.0f} percentage points, 95 % interval "
        f"{100 * gained.low:+.0f} to {100 * gained.high:+.0f}. Guessing gives {percent(chance_of(compared.predictions))}."
    )


def _points(difference: AccuracyDifference) -> str:
    return f"{100 * difference.mean:+.0f} [{100 * difference.low:+.0f}, {100 * difference.high:+.0f}]"


def result_table(compared: Comparison) -> Table:
    """Both trainings by condition, in percent."""
    lines = []
    for name in compared.conditions:
        before, after = (f"{100 * compared.accuracy(row, [name]):.0f}" for row in (compared.before, compared.after))
        lines.append([name, before, after, _points(compared.gain([name])), familiarity(name, compared.mixture)])
    header = ["condition", f"% right, {BEFORE}", f"% right, {AFTER}", "difference [95 % interval]", "in the mixture"]
    return Table(header=header, rows=lines)


def chart(compared: Comparison) -> bytes:
    """Both trainings by condition, as PNG."""
    rows = ((compared.before, BEFORE), (compared.after, AFTER))
    series = [accuracy_series(compared.predictions, row, compared.conditions, name) for row, name in rows]
    return accuracy_chart(compared.predictions, compared.conditions, series)


def write_page(folder: Path, store: Store, compared: Comparison, tables: Tables, plan: Plan, recipe: Path, left_out: str) -> Path:
    """Write index.html, and its chart and spectrograms as PNG.

    Args:
        folder: The demo's folder.
        store: The demo's store.
        compared: The two trainings.
        tables: The same in the paper's shape.
        plan: Of the mixture.
        recipe: The file of its recipe.
        left_out: Conditions that are missing, with the reason; empty if there are none.
    """
    labels = store.manifest.labels
    clip_id = telling_clip(compared.predictions, labels)
    drawn = chart(compared)
    shown = [name for name in SHOWN if name in compared.conditions]
    seen = picture_of({name: store.read(name, clip_id) for name in shown})
    write_whole(folder / "accuracy.png", drawn)
    write_whole(folder / "spectrograms.png", seen)
    result: list[Text | Table | Picture] = [Picture(png=drawn, alt="the table below as a chart"), result_table(compared), Text(text=_READ)]
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
        Section(title="What to do next", parts=_next(folder, recipe, compared.after)),
        Section(title="Where this comes from: the paper", parts=_paper(compared, tables), folded=True),
        Section(title="Ledger of the mixture: rows in an epoch", parts=[ledger_table(plan, store)], folded=True),
    ]
    path = folder / "index.html"
    write_whole(path, page("What coding does to a classifier, and how a mixture helps", headline(compared), sections))
    return path


def _answers(compared: Comparison, clip_id: str, labels: Sequence[str]) -> dict[str, str]:
    """What both models answer for a clip, by condition."""
    before, after = (
        answers_of(compared.predictions.filter(pc.equal(compared.predictions["row"], row)), clip_id, labels)
        for row in (compared.before, compared.after)
    )
    return {name: f"{before[name]} if {BEFORE}; {after[name]} if {AFTER}" for name in before}


_READ = (
    "A condition is a codec and its bitrate in kbit/s. 'Seen' was in the mixture; of the others, the bitrate or the whole codec was not. "
    "Intervals are of a bootstrap over the places of the clips. This is one training of each kind, on synthetic scenes whose high band "
    "says much: read single numbers with care."
)
_SEEN = "Clip {clip_id} as it was, and coded. Black is what the codec left out; a classifier that listens there is lost."
_HEARD = (
    "Of all clips, its class loses the most probability by coding. For each codec: the original, its highest and its lowest bitrate, and "
    "what the two models answer. Start one while another plays, and it goes on at the same place."
)


def model_of(folder: Path, row: str) -> Path:
    """The trained model of an experiment row."""
    return folder / "runs" / f"row_{row}" / "seed_0" / "model.safetensors"


def _next(folder: Path, recipe: Path, row: str) -> list[Text]:
    written, model = os.path.relpath(recipe), model_of(folder, row)
    return [
        Text(text="Hear any clip in any condition, count what the mixture trains on, or shard audio of your own:"),
        Text(
            text="source .venv/bin/activate\n"
            f"streamaug explore {folder}/store\n"
            f"streamaug plan {written} {folder}/store\n"
            "streamaug build CLIPS.csv STORE",
            kind="code",
        ),
        Text(
            text=f"What codecs do to a model, of whatever kind, is on its card. That of the second model, {folder}/card/card.html, is of:"
        ),
        Text(
            text=f"streamaug stress {model} {folder}/store \\\n"
            f"    --class train.stress:classifier --features logmel --recipe {written} --out {folder}/card",
            kind="code",
        ),
    ]


def _paper(compared: Comparison, tables: Tables) -> list[Text | Table]:
    text = (
        f"Both trainings are rows of Table 3 of a paper: row {compared.before} is original audio alone, row {compared.after} is "
        f"{' + '.join(compared.mixture)}, with each clip once in each of them. {tables.summary}"
    )
    parts: list[Text | Table] = [Text(text=text)]
    if tables.paper is not None:
        parts += [Text(text=f"{PAPER}. Accuracy:"), tables.paper]
    return [*parts, Text(text="The same here:"), tables.main, tables.rows]
