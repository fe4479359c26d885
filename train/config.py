"""One YAML a run: every value checked before anything starts, and each to be overridden on the command line."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamaug.streaming import Cache
from train.errors import RunError
from train.models import MODELS

Positive = Annotated[int, Field(ge=1)]


class RunConfig(BaseModel):
    """What one training run is.

    store: path or URL. recipe: a YAML file of the mixture. run: folder to write. train_on, evaluate_on: splits.
    conditions: evaluated ones; all of the store where none are named. width: of the model, 1 or a fraction such as
    1/16. steps: training steps of 64 clips; or epochs: of two plan epochs each, as the paper counts. cycles: cosine
    cycles; where not given the model's own. consistency: weight of the views' divergence, where
    the recipe draws views.
    checkpoint_every: steps between two positions to resume from. threads: of the stream. cache: folder for features, and
    cache_gigabytes: what it may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str
    recipe: Path
    run: Path
    train_on: str = "train"
    evaluate_on: str = "evaluate"
    conditions: tuple[str, ...] = ()
    model: Literal["fcnn", "fsfcnn", "resnet17"] = "fcnn"
    width: Annotated[Fraction, Field(gt=0, le=4)] = Fraction(1)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    steps: Positive | None = None
    epochs: Positive | None = None
    cycles: Annotated[int, Field(ge=1, le=20)] | None = None
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    consistency: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    accelerator: str = "auto"
    devices: Positive = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    checkpoint_every: Positive = 500
    threads: Positive | None = None
    cache: Path | None = None
    cache_gigabytes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 50.0

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either 'steps' or 'epochs'")
        return self

    def total(self, rows: int) -> int:
        """Training steps, for a plan whose epoch holds so many rows.

        >>> RunConfig(store="s", recipe="r", run="f", epochs=254).total(13_962) // 254
        437
        """
        return self.steps if self.steps is not None else self.epochs * -(-rows // 32)  # type: ignore[operator]  # one of both is given

    @property
    def feature_cache(self) -> Cache | None:
        return None if self.cache is None else Cache(folder=self.cache, bound=int(self.cache_gigabytes * 1e9))

    @property
    def model_cycles(self) -> int:
        return self.cycles if self.cycles is not None else MODELS[self.model].CYCLES


def read_config(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's YAML and put `key=value` pairs (values in YAML) over it. Raises RunError, which names the file and the key."""
    values: dict[str, Any] = {}
    try:
        if path is not None:
            loaded = yaml.safe_load(path.read_text())
            if not isinstance(loaded, dict):
                raise RunError(f"{path}: a run is a mapping of keys and values; {', '.join(RunConfig.model_fields)} are known")
            values.update(loaded)
        for override in overrides:
            key, sign, value = override.partition("=")
            if not sign:
                raise RunError(f"'{override}': write key=value, such as seed=1")
            values[key] = yaml.safe_load(value)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"{path or 'command line'}: not readable as YAML: {error}") from error
    return checked(values, os.fspath(path) if path is not None else "command line")


def checked(values: dict[str, Any], where: str) -> RunConfig:
    """Make a configuration of plain values. Raises RunError, a line a fault."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'run'}: {fault['msg']} (it says {fault['input']!r:.80})" for fault in error.errors()
        ]
        raise RunError(f"{where}: " + "; ".join(faults) + f"; known keys are {', '.join(RunConfig.model_fields)}") from error
