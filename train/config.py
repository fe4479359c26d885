"""Settings of a run: one YAML file per run, whose values are checked before it starts and can be
overridden on the command line.
"""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamaug.crop import Crop
from streamaug.features import LogMel
from streamaug.streaming import Cache
from train.errors import RunError
from train.models import MODELS

Positive = Annotated[int, Field(ge=1)]


class LogMelConfig(BaseModel):
    """Settings of the log-mel that the model takes, as in `streamaug.features.LogMel`.

    Args:
        n_fft: Samples of a window.
        hop: Samples between two windows.
        mels: Number of bands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_fft: Positive = LogMel.n_fft
    hop: Positive = LogMel.hop
    mels: Annotated[int, Field(ge=32)] = LogMel.mels

    @property
    def feature(self) -> LogMel:
        return LogMel(n_fft=self.n_fft, hop=self.hop, mels=self.mels)


class RunConfig(BaseModel):
    """Settings of one training run.

    Args:
        store: Path or URL of the store. Default: the stores that the recipe names.
        snapshot: Snapshot of the store, or of each of several by name. Default: the current ones when
            the run begins, which run.yaml then names, so that a resumed run trains and evaluates on
            the same.
        recipe: YAML file of the mixture.
        run: Folder to write.
        train_on: Split to train on.
        evaluate_on: Split to evaluate on.
        conditions: Conditions to evaluate. Default: all of the store.
        model: `fcnn`, `fsfcnn` or `resnet17`.
        width: Width of the model, 1 or a fraction such as 1/16.
        seed: Seed of the plan, the weights and the augmentation.
        steps: Training steps of 64 clips; give either `steps` or `epochs`.
        epochs: Epochs as the paper counts them, each two epochs of the plan.
        cycles: Cosine cycles of the learning rate. Default: the model's own.
        learning_rate: Learning rate at the start of each cycle.
        momentum: Momentum of SGD.
        consistency: Weight of the divergence between views, if the recipe draws views.
        accelerator: Lightning's accelerator: `auto`, `cpu` or `gpu`.
        devices: Devices to train on.
        precision: Lightning's precision.
        crop: What is taken of each clip: `seconds`, `where` and `pad`, as in `streamaug.Crop`. A random
            crop is taken in the centre for evaluation. Default: all of it; all clips then need one
            length.
        log_mel: `n_fft`, `hop` and `mels` of the log-mel. Default: those of Hu et al., which suit
            scenes of some seconds; short sounds and low sample rates need smaller ones.
        checkpoint_every: Steps from one saved position to the next.
        threads: Threads to decode in. Default: one process per core instead.
        cache: Local folder for features. A mixture with links, which lose other packets in every epoch, is
            decoded anew in training; evaluation uses the cache. Default: no cache.
        cache_gigabytes: Largest size of the cache.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str | None = None
    snapshot: str | dict[str, str] | None = None
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
    crop: Crop | None = None
    log_mel: LogMelConfig = LogMelConfig()
    checkpoint_every: Positive = 500
    threads: Positive | None = None
    cache: Path | None = None
    cache_gigabytes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 50.0

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either 'steps' or 'epochs'")
        return self

    @model_validator(mode="after")
    def _what_a_cache_can_keep(self) -> Self:
        if self.cache is not None and self.crop is not None and self.crop.where == "random":
            raise ValueError(
                "'cache' keeps features, and those of a random 'crop' are others in every epoch; remove 'cache', or write "
                "'where: start' or 'where: centre' into 'crop'"
            )
        return self

    def total(self, rows: int) -> int:
        """Training steps for a plan with this number of rows in an epoch.

        >>> RunConfig(store="s", recipe="r", run="f", epochs=254).total(13_962) // 254
        437
        """
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None  # one of the two is given
        return self.epochs * -(-rows // 32)

    @property
    def feature_cache(self) -> Cache | None:
        return None if self.cache is None else Cache(folder=self.cache, bound=int(self.cache_gigabytes * 1e9))

    @property
    def model_cycles(self) -> int:
        return self.cycles if self.cycles is not None else MODELS[self.model].CYCLES


def read_config(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's settings.

    Args:
        path: YAML file of the run, or None for overrides alone.
        overrides: `key=value` pairs, values in YAML.

    Raises:
        RunError: Names the file and each wrong key.
    """
    values: dict[str, Any] = {}
    try:
        if path is not None:
            loaded = yaml.safe_load(path.read_text())
            if not isinstance(loaded, dict):
                raise RunError(f"{path}: not a mapping of keys to values; known keys: {', '.join(RunConfig.model_fields)}")
            values.update(loaded)
        values.update(settings(overrides))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"{path or 'command line'}: not readable as YAML: {error}") from error
    return validated(values, os.fspath(path) if path is not None else "command line")


def settings(overrides: Sequence[str]) -> dict[str, Any]:
    """Settings from the command line.

    Args:
        overrides: `key=value` pairs, values in YAML.

    Raises:
        RunError: One is not such a pair.
        YAMLError: A value is not YAML.

    >>> settings(["seed=1", "crop={seconds: 1}"])
    {'seed': 1, 'crop': {'seconds': 1}}
    """
    values = {}
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign:
            raise RunError(f"'{override}' is not a setting; write key=value, such as seed=1")
        values[key] = yaml.safe_load(value)
    return values


def validated(values: dict[str, Any], source: str) -> RunConfig:
    """Make a configuration from plain values.

    Args:
        values: Values by key.
        source: File or other origin, for messages.

    Raises:
        RunError: Names every wrong key.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'run'}: {fault['msg']} (value: {fault['input']!r:.80})" for fault in error.errors()
        ]
        raise RunError(f"{source}: " + "; ".join(faults) + f"; known keys: {', '.join(RunConfig.model_fields)}") from error
