"""Open the classifier of a run for `streamaug stress`.

streamaug stress RUN/model.safetensors STORE --class train.stress:classifier --features logmel --out FOLDER
"""

from pathlib import Path

from train.checkpoint import load_model
from train.models import Classifier


def classifier(path: Path) -> Classifier:
    """A classifier that `train.run` saved, which names its classes.

    Args:
        path: `model.safetensors` in the folder of a run.

    Raises:
        CheckpointError: It is something else.
    """
    model, labels = load_model(path)
    model.labels = labels
    return model
