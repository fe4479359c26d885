"""A run's folder: created once, its training log read back, and the position that a stopped run
resumes from.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import yaml

from streamaug.files import write_whole
from train.config import RunConfig, read_config
from train.errors import RunError
from train.preparing import Run
from train.versions import versions

POSITION = "position.safetensors"
"""Where a stopped run resumes from; removed when the run is finished."""

PREDICTIONS = "predictions.parquet"
"""Written last: a run is finished when its folder has it."""


def create_run_folder(run: Run) -> None:
    """Create the run's folder and write its settings, recipe and versions.

    Args:
        run: The prepared run.

    Raises:
        RunError: The folder exists and is not empty.
    """
    folder = run.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is already in use; choose another folder with run=..., or resume its run with --resume {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "run.yaml", yaml.safe_dump(json.loads(run.config.model_dump_json()), sort_keys=False))
    write_whole(folder / "recipe.yaml", run.recipe.to_yaml())
    write_whole(folder / "versions.json", json.dumps(versions(), indent=1))


def load_run_config(folder: Path) -> RunConfig:
    """Settings of the run in a folder.

    Args:
        folder: The run's folder.

    Raises:
        RunError: The folder has no run, or its settings are not readable.
    """
    if not (folder / "run.yaml").is_file():
        raise RunError(f"{folder} has no run to resume; start one with 'python -m train.run RUN.yaml run={folder}'")
    return read_config(folder / "run.yaml")


def check_resumable(folder: Path) -> None:
    """Raise RunError if the run in a folder is finished, or stopped before it saved a position."""
    if (folder / PREDICTIONS).exists():
        raise RunError(f"{folder} is finished; see {folder}/report.html")
    if not (folder / POSITION).exists():
        raise RunError(f"{folder} was stopped before it saved a position; start the run again in another folder")


def log_parts(folder: Path) -> list[Path]:
    """The run's CSV logs: one from its start, and one for each time it was resumed."""
    return sorted((folder / "log").glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.removeprefix("version_")))


def read_log(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, losses and learning rates of a run, each (steps,); a step that was repeated after
    resuming counts once.
    """
    parts = [pacsv.read_csv(path) for path in log_parts(folder)]
    ends = [part["step"][0].as_py() for part in parts[1:]] + [np.inf]
    unique = [part.filter(pc.less(part["step"], end)) for part, end in zip(parts, ends, strict=True)]
    log = pa.concat_tables([part.select(["step", "loss", "learning_rate"]) for part in unique])
    return log["step"].to_numpy(), log["loss"].to_numpy(), log["learning_rate"].to_numpy()
