"""What decides the answers of a model in a run, and how two runs differ."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from streamaug.crop import Pad
from streamaug.errors import CorruptError
from streamaug.files import write_whole
from streamaug.store.format import Sha256, Strict

FORMAT = 1
SETTINGS_FILE = "stress.json"


class ModelIdentity(Strict):
    """A model, wherever it lies.

    Args:
        name: As the user named it: `package.module:name`, the name of a file without its folder, or
            what its card shall call it.
        kind: What opened it.
        sha256: Of its file, or of the code and weights of what was imported.
        opened_by: `package.module:name` of what opened the file, if not streamaug by itself.
    """

    name: str
    kind: Literal["imported", "exported", "torchscript", "onnx", "lightning", "file"]
    sha256: Sha256
    opened_by: str | None = None


class FixedCrop(Strict):
    """A crop that is the same in every run; see `streamaug.crop.Crop`."""

    seconds: float
    where: Literal["start", "centre"]
    pad: Pad


class StressSettings(Strict):
    """What decides every score of a run. Two runs with the same settings have the same answers.

    Args:
        format: Version of the predictions.
        model: The model.
        store: Name of the store.
        split: The evaluated split as text.
        rate: Sample rate in Hz of what the model, or the feature, gets.
        features: What the model gets, as the user named it.
        feature_settings: All that decides the numbers of the feature, in one line.
        crop: What is taken of each clip; None for all of it.
        columns: The labels that the columns of the scores speak for, in their order: those of the
            store, or one if the model gives one score per clip.
        batch_size: Clips that the model gets together: another number may change the last digits.
        device: Kind of the device that computed, such as `cpu`.
        versions: Of what decodes and computes, by name.
    """

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    model: ModelIdentity
    store: str
    split: str
    rate: Annotated[int, Field(ge=1)]
    features: str
    feature_settings: str
    crop: FixedCrop | None = None
    columns: tuple[str, ...]
    batch_size: Annotated[int, Field(ge=1)]
    device: str
    versions: dict[str, str]

    @property
    def digest(self) -> str:
        """Names the settings: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def differences(self, other: "StressSettings") -> list[str]:
        """What is not the same in other settings, for people: one text for each, this one first.

        Args:
            other: Of another run.
        """
        lines = []
        for name, mine in self.model_dump().items():
            theirs = other.model_dump()[name]
            if mine != theirs:
                lines.append(f"{name.replace('_', ' ')}: {_short(mine, theirs)}, not {_short(theirs, mine)}")
        return lines


def write_settings(folder: Path, settings: StressSettings) -> None:
    """Write the settings of a run into its folder.

    Args:
        folder: The run's folder.
        settings: Its settings.
    """
    write_whole(folder / SETTINGS_FILE, settings.model_dump_json(indent=1) + "\n")


def read_settings(folder: Path) -> StressSettings | None:
    """The settings of the run in a folder; None if there is no run.

    Args:
        folder: The folder; it need not exist.

    Raises:
        CorruptError: The file is not readable.
    """
    path = folder / SETTINGS_FILE
    try:
        return StressSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        reason = error.errors()[0]
        where = ".".join(map(str, reason["loc"]))
        raise CorruptError(f"{path}: not the settings of a run of this version: {where}: {reason['msg']}; choose another folder") from error


def _short(value: object, other: object) -> str:
    """A value for a message; of a mapping only what another one does not have."""
    if isinstance(value, dict) and isinstance(other, dict):
        return ", ".join(f"{name} {_short(each, None)}" for name, each in value.items() if other.get(name) != each) or "nothing"
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text
