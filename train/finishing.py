"""Finish a run: evaluate the trained model on every condition, and write tables, figures and the
report.
"""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa

from streamaug.files import write_whole
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.planning import Plan
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import label_columns
from streamaug.recipes.familiarity import familiarity
from streamaug.store.catalogue import StoreLike
from train.checkpoint import save_model
from train.evaluate import predictions_of, probabilities_of
from train.figures import accuracy_map, confusion_map, learning_curves, precision_map
from train.models import Classifier
from train.precision import precisions
from train.predictions import in_order, write_predictions
from train.preparing import Run
from train.results import accuracies, confusion
from train.run_folder import POSITION, PREDICTIONS, read_log
from train.versions import versions


def finish_run(run: Run, model: Classifier, *, row: str, fold: str | None = None) -> pa.Table:
    """Save and evaluate a trained model, write the report, and mark the run as finished.

    Args:
        run: The run; its folder exists.
        model: The trained model.
        row: Name of the experiment row in the predictions.
        fold: Fold that was held out, if folds were.

    Returns:
        The predictions (`train.predictions.SCHEMA`, or `LABELS_SCHEMA`).

    Raises:
        RunError: A condition lacks clips of the evaluation split.
    """
    save_model(run.folder / "model.safetensors", model, run.store.manifest.labels)
    predictions = evaluate(run, model, row=row, fold=fold)
    write_report(run, predictions)
    write_predictions(run.folder / PREDICTIONS, predictions)  # last: the run is finished when it exists
    (run.folder / POSITION).unlink(missing_ok=True)
    return predictions


def evaluate(run: Run, model: Classifier, *, row: str, fold: str | None = None) -> pa.Table:
    """Predictions of every clip of the evaluation split in every condition; arguments as for
    `finish_run`.
    """
    config = run.config
    model.eval()
    tables = []
    for condition in run.conditions:
        probabilities = probabilities_of(
            model,
            run.store,
            condition,
            config.evaluate_on,
            features=config.log_mel.feature,
            crop=config.crop,
            threads=config.threads,
            cache=config.feature_cache,
        )
        tables.append(predictions_of(run.store, config.evaluate_on, condition, probabilities, row=row, seed=config.seed, fold=fold))
    return pa.concat_tables(tables)


def write_report(run: Run, predictions: pa.Table) -> None:
    """Write the run's table, heat map, learning curves, ledger and report.html.

    Args:
        run: The run; its folder has the training log.
        predictions: Of this run alone.
    """
    folder = run.folder
    table, heat, results = (_precision_results if run.store.manifest.target == "labels" else _accuracy_results)(run, predictions)
    ledger, curves = ledger_table(run.plan, run.store), learning_curves({in_order(predictions, "row")[0]: read_log(folder)})
    write_whole(folder / "table.csv", table.csv())
    write_whole(folder / "table.md", table.markdown() + "\n")
    write_whole(folder / "heatmap.png", heat)
    write_whole(folder / "curves.png", curves)
    write_whole(folder / "ledger.csv", ledger.csv())
    sections = [
        *results,
        Section(title="Training", parts=[Picture(png=curves, alt="loss and learning rate by step")]),
        Section(title="Ledger: planned rows of the first epoch", parts=[ledger]),
        Section(
            title="How to repeat this run",
            parts=[
                Text(text=(folder / "run.yaml").read_text(), kind="code"),
                Text(text=f"python -m train.run {folder}/run.yaml run=ANOTHER_FOLDER", kind="code"),
            ],
        ),
        Section(
            title="Recipe and versions",
            parts=[Text(text=run.recipe.to_yaml(), kind="code"), Text(text=json.dumps(versions(), indent=1), kind="code")],
        ),
    ]
    write_whole(folder / "report.html", page(run.recipe.title, _lead(run), sections))


def _accuracy_results(run: Run, predictions: pa.Table) -> tuple[Table, bytes, list[Section]]:
    """The table, the heat map and the sections of a run that learned one label per clip."""
    values = accuracies(predictions)
    table, heat = _by_condition(run, values.conditions, values.means[0]), accuracy_map(values, {values.rows[0]: run.recipe.title})
    best, worst = (values.conditions[int(column)] for column in (values.means[0].argmax(), values.means[0].argmin()))
    sections = [
        Section(title="Accuracy", parts=[table, Picture(png=heat, alt="heat map of the accuracies")]),
        Section(
            title="Confusion matrices of the best and the worst condition",
            parts=_confusion_pictures(run, predictions, [best, worst]),
        ),
    ]
    return table, heat, sections


def _precision_results(run: Run, predictions: pa.Table) -> tuple[Table, bytes, list[Section]]:
    """The same of a run that learned several labels per clip."""
    values = precisions(predictions, run.store.manifest.labels)
    table, heat = _by_condition(run, values.conditions, values.means), precision_map(values)
    text = Text(
        text="Mean average precision (mAP): the area under the curve of precision over recall, averaged over the labels. Guessing gives "
        f"{values.shares[values.shares > 0].mean():.3f}, the mean share of the clips that have a label."
    )
    return (
        table,
        heat,
        [
            Section(title="Mean average precision", parts=[text, table]),
            Section(title="Average precision of each label", parts=[Picture(png=heat, alt="heat map of the average precisions")]),
        ],
    )


def _by_condition(run: Run, conditions: Sequence[str], values: Iterable[float]) -> Table:
    """A number for each condition, and whether the model was trained on it."""
    return Table(
        header=["", *conditions],
        rows=[
            [run.recipe.title, *(f"{value:.3f}" for value in values)],
            ["trained on it?", *(familiarity(name, run.recipe.conditions) for name in conditions)],
        ],
    )


def ledger_table(plan: Plan, store: StoreLike) -> Table:
    """Planned rows of the first epoch by condition and label; a row counts under each of its labels."""
    ledger = planned(plan, label_columns(store))
    rows = [
        [condition, *map(str, counts), str(total)]
        for condition, counts, total in zip(ledger.values[0], ledger.counts.tolist(), ledger.condition_rows.tolist(), strict=True)
    ]
    return Table(header=["condition", *(label or "-" for label in ledger.values[1]), "all"], rows=rows)


def _confusion_pictures(run: Run, predictions: pa.Table, conditions: Sequence[str]) -> list[Picture]:
    """Confusion matrices in some conditions, each once."""
    labels = run.store.manifest.labels
    return [
        Picture(png=confusion_map(confusion(predictions, labels, name), labels, name), alt=f"confusion matrix under {name}")
        for name in dict.fromkeys(conditions)
    ]


def _lead(run: Run) -> str:
    config = run.config
    return (
        f"{config.model} at width {config.width}, {run.total} steps of {run.batch_size * run.plan.views} clips, seed {config.seed}, "
        f"trained on '{config.train_on}' and evaluated on '{config.evaluate_on}' of {run.store.manifest.name}."
    )
