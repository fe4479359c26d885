"""Models of Lightning for the tests; whoever needs none does not import it."""

from typing import Any

import lightning
from torch import Tensor

from tests.stress.models import Small


class SmallLightning(lightning.LightningModule):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.small = Small(classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.small(waveforms)


class WithHyperparameters(SmallLightning):
    """Whose checkpoint holds an object, too."""

    def __init__(self, classes: int, folder: Any) -> None:
        super().__init__(classes)
