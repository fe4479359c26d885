"""Write what came of a run: tables and pictures, and a page with all of it."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streamaug.condition_names import split_store
from streamaug.files import write_whole
from streamaug.pages.charts import Series, by_condition
from streamaug.pages.page import Picture, Players, Section, Table, Text, page
from streamaug.planning import Plan
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import label_columns
from streamaug.recipes.familiarity import familiarity
from streamaug.store.catalogue import StoreLike, named_stores
from train.charts import accuracy_chart, accuracy_series, counted
from train.config import LogMelConfig
from train.curriculum import mixture_of
from train.figures import confusion_change, confusion_map, learning_curves, mixture_over_time, precision_map
from train.listening import answers_of, players_with_answers, telling_clip, truth_of
from train.precision import precisions
from train.predictions import in_order
from train.preparing import Run
from train.results import ORIGINAL, chance_of, confusion, paper_order
from train.run_folder import read_log
from train.versions import versions


@dataclass(frozen=True, kw_only=True)
class _Results:
    """What a run's model reaches.

    Args:
        headline: In a sentence.
        table: By condition.
        chart: The same as PNG.
        sections: More about it.
    """

    headline: str
    table: Table
    chart: bytes
    sections: list[Section]


def write_report(run: Run, predictions: pa.Table) -> None:
    """Write the run's table, chart by condition, mixture, learning curves, ledger and report.html.

    Args:
        run: The run; its folder has the training log.
        predictions: Of this run alone.

    Raises:
        CorruptError: A bitstream that the page shows is damaged.
        FetchError: It could not be read.
    """
    folder = run.folder
    results = (_of_several_labels if run.store.manifest.target == "labels" else _of_one_label)(run, predictions)
    ledger, curves = ledger_table(run.plan, run.store), learning_curves({in_order(predictions, "row")[0]: read_log(folder)})
    rows, times = mixture_of(run.plan, steps=run.total, batch=run.batch_size)
    mixture = mixture_over_time(run.plan.conditions, rows, times, unit=run.recipe.unit)
    write_whole(folder / "table.csv", results.table.csv())
    write_whole(folder / "table.md", results.table.markdown() + "\n")
    write_whole(folder / "by_condition.png", results.chart)
    write_whole(folder / "mixture.png", mixture)
    write_whole(folder / "curves.png", curves)
    write_whole(folder / "ledger.csv", ledger.csv())
    sections = [
        Section(
            title="Result by condition",
            parts=[Text(text=_setting(run)), Picture(png=results.chart, alt="the table below as a chart"), results.table],
        ),
        *_listening(run, predictions),
        *results.sections,
        Section(
            title="What the model was trained on",
            parts=[
                Text(text=f"'{run.recipe.title}': the share of each condition in the rows, over the training."),
                Picture(png=mixture, alt="share of each condition over the training"),
                Picture(png=curves, alt="loss and learning rate by step"),
            ],
        ),
        Section(title="Ledger: planned rows of the first epoch", parts=[ledger], folded=True),
        Section(title="What to do next", parts=_next(run)),
        Section(
            title="Settings, recipe and versions",
            parts=[
                Text(text=(folder / "run.yaml").read_text(), kind="code"),
                Text(text=run.recipe.to_yaml(), kind="code"),
                Text(text=json.dumps(versions(), indent=1), kind="code"),
            ],
            folded=True,
        ),
    ]
    write_whole(folder / "report.html", page(run.recipe.title, results.headline, sections))


def _of_one_label(run: Run, predictions: pa.Table) -> _Results:
    """Accuracies, with intervals over groups of clips, and confusion matrices."""
    row, conditions = in_order(predictions, "row")[0], paper_order(in_order(predictions, "condition"))
    chance, series = 100 * chance_of(predictions), accuracy_series(predictions, row, conditions, "accuracy")
    table = Table(
        header=["condition", "accuracy", "95 % interval", "in training"],
        rows=[
            [name, f"{value / 100:.3f}", f"{low / 100:.3f} to {high / 100:.3f}", familiarity(name, run.recipe.conditions)]
            for name, value, low, high in zip(conditions, series.values, series.low, series.high, strict=True)
        ],
    )
    chart = accuracy_chart(predictions, conditions, [series])
    values = dict(zip(conditions, series.values, strict=True))
    headline = f"Accuracy: {_reached(values, '{:.0f} %')} Guessing gives {chance:.0f} %."
    return _Results(headline=headline, table=table, chart=chart, sections=[_confusions(run, predictions, values)])


def _of_several_labels(run: Run, predictions: pa.Table) -> _Results:
    """Mean average precisions, and the average precision of each label."""
    values = precisions(predictions, run.store.manifest.labels)
    chance = float(values.shares[values.shares > 0].mean())
    means = [float(mean) for mean in values.means]
    table = Table(
        header=["condition", "mean average precision", "in training"],
        rows=[[name, f"{mean:.3f}", familiarity(name, run.recipe.conditions)] for name, mean in zip(values.conditions, means, strict=True)],
    )
    series = Series(name="mean average precision", values=means, low=means, high=means)
    label = f"mean average precision (mAP), {counted(predictions)}"
    chart = by_condition(values.conditions, [series], label=label, chance=round(chance, 3), limits=(0, 1))
    text = Text(
        text="Average precision is the area under the curve of precision over recall; its mean over the labels is the mAP. Guessing gives "
        "the share of the clips that have a label."
    )
    labels = Section(
        title="Average precision of each label", parts=[text, Picture(png=precision_map(values), alt="heat map of the average precisions")]
    )
    reached = _reached(dict(zip(values.conditions, means, strict=True)), "{:.3f}")
    return _Results(headline=f"Mean average precision: {reached} Guessing gives {chance:.3f}.", table=table, chart=chart, sections=[labels])


def _reached(values: dict[str, float], form: str) -> str:
    """What is reached on originals and on coded clips, with the extremes."""
    original = [value for name, value in values.items() if split_store(name)[1] == ORIGINAL]
    coded = {name: value for name, value in values.items() if split_store(name)[1] != ORIGINAL}
    parts = [f"{form.format(np.mean(original))} on original clips"] if original else []
    if coded:
        worst, best = min(coded, key=coded.__getitem__), max(coded, key=coded.__getitem__)
        extremes = f"from {form.format(coded[worst])} in {worst} to {form.format(coded[best])} in {best}"
        parts.append(f"{form.format(np.mean(list(coded.values())))} on coded ones on average, {extremes}")
    return ", ".join(parts) + "."


def _confusions(run: Run, predictions: pa.Table, values: dict[str, float]) -> Section:
    """Confusion matrices of the best and the worst condition, and what changes between them."""
    best, worst = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    labels = run.store.manifest.labels
    counts = {name: confusion(predictions, labels, name) for name in (best, worst)}
    parts = [Picture(png=confusion_map(each, labels, name), alt=f"confusion matrix under {name}") for name, each in counts.items()]
    if len(counts) == 2:
        title = f"{worst}, change from {best}"
        parts.append(Picture(png=confusion_change(counts[best], counts[worst], labels, title), alt=f"confusion matrix under {title}"))
    return Section(title="What is taken for what, in the best and the worst condition", parts=parts)


def _listening(run: Run, predictions: pa.Table) -> list[Section]:
    """For each store, the clip that coding does the most to, in its conditions, to hear."""
    labels = run.store.manifest.labels
    sections = []
    for name, store in named_stores(run.store).items():
        own = np.array([split_store(condition)[0] == name for condition in predictions["condition"].to_pylist()])
        if not own.any():
            continue
        chosen = predictions.filter(pa.array(own))
        clip_id = telling_clip(chosen, labels)
        lead = Text(
            text=f"It is '{truth_of(chosen, clip_id)}'. Of all clips, its class loses the most probability by coding. Above each "
            "player is what the model answers."
        )
        players: list[Players] = players_with_answers(store, name, clip_id, answers_of(chosen, clip_id, labels), run.recipe.links)
        sections.append(Section(title=f"Clip {clip_id} to hear", parts=[lead, *players]))
    return sections


def ledger_table(plan: Plan, store: StoreLike) -> Table:
    """Planned rows of the first epoch by condition and label; a row counts under each of its labels."""
    ledger = planned(plan, label_columns(store))
    rows = [
        [condition, *map(str, counts), str(total)]
        for condition, counts, total in zip(ledger.values[0], ledger.counts.tolist(), ledger.condition_rows.tolist(), strict=True)
    ]
    return Table(header=["condition", *(label or "-" for label in ledger.values[1]), "all"], rows=rows)


def _setting(run: Run) -> str:
    config = run.config
    return (
        f"{config.model} at width {config.width}, {run.total} steps of {run.batch_size * run.plan.views} clips, seed {config.seed}, "
        f"trained on '{config.train_on}' and evaluated on '{config.evaluate_on}' of {run.store.manifest.name}. 'In training' tells whether "
        "the model was trained on the condition, on its codec at another bitrate, or on neither."
    )


def _next(run: Run) -> list[Text]:
    folder, recipe = run.folder, f"{run.folder}/recipe.yaml"
    single = named_stores(run.store).get("")
    store = "" if single is None else f" {single.url}"
    commands = [f"streamaug plan {recipe}{store}"]
    if single is not None:
        commands.append(f"streamaug explore{store}")
        if run.config.log_mel == LogMelConfig() and run.config.crop is None:
            card = f"--recipe {recipe} --out {folder}/card"
            model = f"{folder}/model.safetensors{store} --class train.stress:classifier --features logmel"
            commands.append(f"streamaug stress {model} --split '{run.config.evaluate_on}' {card}")
    return [
        Text(text="Train again with another recipe, count what a recipe mixes, hear any clip in any condition, write the model's card:"),
        Text(text="\n".join([f"python -m train.run {folder}/run.yaml recipe=MY_RECIPE.yaml run=ANOTHER_FOLDER", *commands]), kind="code"),
    ]
