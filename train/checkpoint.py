"""Save and load trained models as safetensors: weights and a short description, nothing that could
be executed.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from streamaug.files import write_whole
from train.errors import CheckpointError
from train.models import MODELS, Classifier

PICKLES = (b"PK\3\4", *(bytes([0x80, protocol]) for protocol in range(2, 6)))
"""First bytes of the files that torch.save writes, in its current and its old format."""


def save_model(path: Path, model: Classifier, labels: Sequence[str]) -> None:
    """Write a model with its labels; a reader finds the old file or the whole new one."""
    about = {"model": model.NAME, "classes": str(model.classes), "width": str(model.width), "labels": json.dumps(list(labels))}
    write_whole(path, save({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, about))


def refuse_pickle(path: Path) -> None:
    """Raise CheckpointError if the file is missing or is a pickle."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; name the .safetensors file of a run")
    with path.open("rb") as file:
        begin = file.read(9)
        # A safetensors file begins with the length of its JSON, whose low bytes may be those of a
        # pickle.
        if begin.startswith(PICKLES) and begin[8:] != b"{":
            raise CheckpointError(
                f"{path} is a pickle, which could run any code when it is loaded; "
                "use the .safetensors file of a run, or import Keras weights with python -m tools.import_keras_weights"
            )


def load_model(path: Path, labels: Sequence[str] | None = None) -> tuple[Classifier, tuple[str, ...]]:
    """Read a model, in evaluation mode, and its labels.

    Args:
        path: Safetensors file that `save_model` wrote.
        labels: Labels that the model must have, in this order. Default: any.

    Raises:
        CheckpointError: The file is missing, damaged, a pickle, or of another model or other
            labels.
    """
    refuse_pickle(path)
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        model_class = MODELS[about["model"]]
        model = model_class(int(about["classes"]), Fraction(about["width"]))
        own = tuple(map(str, json.loads(about["labels"])))
        model.load_state_dict(load_file(path))
    except (SafetensorError, KeyError, ValueError, ZeroDivisionError, TypeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint of {', '.join(MODELS)}: {error}; train one with 'python -m train.run'"
        ) from error
    except RuntimeError as error:  # load_state_dict: names or shapes of another model
        raise CheckpointError(
            f"{path} does not have the weights of a {about['model']}, as it claims: {error}; train one with 'python -m train.run'"
        ) from error
    if len(own) != model.classes:
        raise CheckpointError(f"{path} has {len(own)} labels for {model.classes} classes; train one with 'python -m train.run'")
    if labels is not None and own != tuple(labels):
        raise CheckpointError(
            f"{path} was trained on the labels {', '.join(own)}, but the store has {', '.join(labels)}; use a model of the same labels"
        )
    return model.eval(), own
