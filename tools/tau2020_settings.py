"""Say what tools/tau2020.py does: with which weights, rows and conditions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from streamaug.recipes import load_recipe
from tools.download_tau2020 import ARCHIVES, URL
from train.errors import CheckpointError
from train.paper.experiment_a import TABLE_2
from train.paper.experiment_b import find_recipe
from train.results import TABLE_3


@dataclass(frozen=True, kw_only=True)
class Published:
    """A model that Hu et al. publish with their system.

    Args:
        file: Name of its file in their repository, below task1a/.
        model: Name of the model here.
        classes: Number of its classes.
        width: Its width, 1 for that of the ten-class models.
    """

    file: str
    model: str
    classes: int = 10
    width: Fraction = Fraction(1)

    @property
    def checkpoint(self) -> str:
        """Name of the converted file.

        >>> Published(file="3class-fcnn-model-0.9290.hdf5", model="fcnn", classes=3).checkpoint
        '3class-fcnn-model-0.9290.safetensors'
        """
        return Path(self.file).with_suffix(".safetensors").name


PUBLISHED = (
    Published(file="10class-resnet-model-0.7458.hdf5", model="resnet17"),
    Published(file="10class-fcnn-model-0.7694.hdf5", model="fcnn"),
    Published(file="10class-fsfcnn-model-0.7620.hdf5", model="fsfcnn"),
    Published(file="3class-resnet-model-0.9141.hdf5", model="resnet17", classes=3, width=Fraction(1, 2)),
    Published(file="3class-fcnn-model-0.9290.hdf5", model="fcnn", classes=3),
)
"""The models of the two-stage ensemble, in the order in which their probabilities are summed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to do.

    Args:
        folder: Where everything goes.
        weights: Folder with the published weights; None: Experiment A is left out.
        rows: Rows of Table 3.
        seeds: Runs of each row.
        epochs: Epochs of each run, as the paper counts them; None with `steps`.
        steps: Training steps of each run; None with `epochs`.
        conditions: Conditions to evaluate; empty for those of the paper's tables.
        width: Width of the models, 1 for the paper's.
        accelerator: Lightning's accelerator.
        precision: Lightning's precision.
        workers: Processes that build. Default: one per core.
        skip_bad: Build without clips that are missing or broken.
        archives: Checksums of the archives by name.
        url: Where the archives are.
    """

    folder: Path
    weights: Path | None = None
    rows: tuple[str, ...] = ("1", "2", "3", "4", "5", "6", "7")
    seeds: int = 3
    epochs: int | None = 254
    steps: int | None = None
    conditions: tuple[str, ...] = ()
    width: Fraction = Fraction(1)
    accelerator: str = "auto"
    precision: str = "32-true"
    workers: int | None = None
    skip_bad: bool = False
    archives: Mapping[str, str] = field(default_factory=lambda: ARCHIVES)
    url: str = URL

    @property
    def table_2(self) -> tuple[str, ...]:
        """Conditions that Experiment A evaluates."""
        return self.conditions or TABLE_2

    @property
    def table_3(self) -> tuple[str, ...]:
        """Conditions that Experiment B evaluates."""
        return self.conditions or TABLE_3

    @property
    def built(self) -> tuple[str, ...]:
        """Conditions of the store: those that are trained on or evaluated, each once."""
        trained = (name for row in self.rows for name in load_recipe(find_recipe(row)).conditions)
        return tuple(dict.fromkeys([*(self.table_2 if self.weights else ()), *self.table_3, *trained]))

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The converted weights."""
        return tuple(self.folder / "weights" / model.checkpoint for model in PUBLISHED)


def find_weights(folder: Path) -> dict[Published, Path]:
    """The published weights, wherever in a folder.

    Args:
        folder: For example a clone of the authors' repository.

    Raises:
        CheckpointError: One is missing.
    """
    found = {model: next(iter(sorted(folder.rglob(model.file))), None) for model in PUBLISHED}
    if missing := [model.file for model, path in found.items() if path is None]:
        raise CheckpointError(
            f"{folder} lacks {', '.join(missing)}; clone github.com/MihawkHu/DCASE2020_task1, and join the parts of the fsFCNN as "
            "task1a/10class/pretrained_models/unzip.readme says"
        )
    return {model: path for model, path in found.items() if path is not None}
