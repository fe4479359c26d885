"""Trained models as safetensors: numbers and a few words about them, nothing that could be executed."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from train.errors import CheckpointError
from train.models import MODELS, Classifier

PICKLES = (b"PK\3\4", *(bytes([0x80, protocol]) for protocol in range(2, 6)))
"""First bytes of what torch.save writes, new and old."""


def save_model(path: Path, model: Classifier, labels: Sequence[str]) -> None:
    """Write a model with its label set; a reader finds the old file or the whole new one."""
    about = {"model": model.NAME, "classes": str(model.classes), "width": str(model.width), "labels": json.dumps(list(labels))}
    partial = path.with_suffix(".partial")
    save_file({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, partial, about)
    partial.replace(path)


def refuse_pickle(path: Path) -> None:
    """Raise CheckpointError for a file that is missing or is a pickle."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    with path.open("rb") as file:
        begin = file.read(9)
        # A safetensors file begins with the length of its JSON, whose low bytes may be those of a pickle.
        if begin.startswith(PICKLES) and begin[8:] != b"{":
            raise CheckpointError(
                f"{path} holds a pickle, which could run anything when it is loaded; "
                "give the .safetensors file of a run, or make one with python -m tools.import_keras_weights"
            )


def load_model(path: Path, labels: Sequence[str] | None = None) -> tuple[Classifier, tuple[str, ...]]:
    """Read a model, in evaluation mode, and its labels. Raises CheckpointError.

    labels: where given, those that the model must have, in this order.
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
        raise CheckpointError(f"{path} is no checkpoint of {', '.join(MODELS)}: {error}; train one with 'python -m train.run'") from error
    except RuntimeError as error:  # load_state_dict: names or shapes of another model
        raise CheckpointError(f"{path} does not hold the weights of the {about['model']} that it names: {error}") from error
    if len(own) != model.classes:
        raise CheckpointError(f"{path} names {len(own)} labels for {model.classes} classes")
    if labels is not None and own != tuple(labels):
        raise CheckpointError(f"{path} was trained on the labels {', '.join(own)}; the store has {', '.join(labels)}")
    return model.eval(), own
