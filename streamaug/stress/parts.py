"""The folder of a run: the conditions that are evaluated already, and those that are missing.

    FOLDER/stress.json               the settings
    FOLDER/parts/mp3_64.parquet      predictions of one condition, until all are there
    FOLDER/predictions.parquet       all of them

Each condition has a key, the digest of all that decides its rows. One whose key is another, such as
after its bitstreams were built again, is evaluated again.
"""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from streamaug.errors import StreamaugError
from streamaug.stress.predictions import PREDICTIONS_FILE, Predictions, join_predictions, read_predictions, write_predictions
from streamaug.stress.settings import StressSettings, read_settings, write_settings

PARTS = "parts"


def open_folder(folder: Path, settings: StressSettings) -> None:
    """Make the folder of a run, or see that it belongs to the same run.

    Args:
        folder: The folder.
        settings: Of the run.

    Raises:
        StreamaugError: It belongs to a run with other settings, or is not empty.
        CorruptError: Its settings are not readable.
    """
    earlier = read_settings(folder)
    if earlier is None:
        foreign = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if foreign:
            raise StreamaugError(f"{folder} has no predictions, but is not empty (it has '{foreign[0]}'); choose another folder")
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        write_settings(folder, settings)
        return
    if differences := settings.differences(earlier):
        raise StreamaugError(
            f"{folder} has the answers of another run ({'; '.join(differences)}); choose another --out, or remove the folder"
        )
    (folder / PARTS).mkdir(exist_ok=True)


def part_path(folder: Path, condition: str) -> Path:
    """Where the predictions of one condition are until all are there.

    Args:
        folder: The run's folder.
        condition: The condition.
    """
    return folder / PARTS / f"{condition}.parquet"


def read_parts(folder: Path, keys: Mapping[str, str]) -> dict[str, Predictions]:
    """The predictions that a folder has, by condition.

    Args:
        folder: The run's folder.
        keys: The key of each condition that is to be evaluated.

    Raises:
        CorruptError: A file is damaged.
    """
    available: dict[str, Predictions] = {}
    for path in (folder / PREDICTIONS_FILE, *(part_path(folder, condition) for condition in keys)):
        with contextlib.suppress(FileNotFoundError):
            predictions = read_predictions(path)
            available |= {name: predictions for name, key in predictions.keys.items() if keys.get(name) == key}
    return available


def publish(folder: Path, keys: Mapping[str, str]) -> Predictions:
    """Join the parts of a run, and remove them.

    Args:
        folder: The run's folder.
        keys: The key of each condition.

    Returns:
        The predictions of these conditions.

    Raises:
        StreamaugError: A part is missing: the ranks do not share the folder.
    """
    parts = read_parts(folder, keys)
    if missing := [name for name in keys if name not in parts]:
        raise StreamaugError(f"{folder}: another rank has written '{missing[0]}', but not here; choose a folder that all machines share")
    predictions = join_predictions([parts[name].only(name) for name in keys])
    write_predictions(folder / PREDICTIONS_FILE, predictions)
    shutil.rmtree(folder / PARTS)
    return predictions
