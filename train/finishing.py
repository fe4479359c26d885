"""Finish a run: evaluate the trained model on every condition, and write the report."""

import pyarrow as pa

from train.checkpoint import save_model
from train.evaluate import predictions_of, probabilities_of
from train.models import Classifier
from train.predictions import write_predictions
from train.preparing import Run
from train.report import write_report
from train.run_folder import POSITION, PREDICTIONS


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
            links=run.recipe.links,
        )
        tables.append(predictions_of(run.store, config.evaluate_on, condition, probabilities, row=row, seed=config.seed, fold=fold))
    return pa.concat_tables(tables)
