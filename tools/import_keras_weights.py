"""Convert the HDF5 weights of a Keras model (the DCASE 2020 system's released files) to this
project's safetensors.

    python -m tools.import_keras_weights model.hdf5 fcnn.safetensors --model fcnn

The layers must be those of train/models, created in the same order. Keras numbers its layers as
they are created (conv2d_1, conv2d_2, ...), and that number, not the order in the file, identifies
them.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import h5py  # type: ignore[import-untyped]  # it has no type hints
import numpy as np
import torch
import typer
from torch import Tensor, nn

from streamaug.cli.console import run
from train.checkpoint import save_model
from train.errors import CheckpointError
from train.models import MODELS, Classifier, ResNet17
from train.paper.fusion import COARSE, GROUPS

_KINDS: dict[type[nn.Module], str] = {nn.Conv2d: "conv2d", nn.BatchNorm2d: "batch_normalization", nn.Linear: "dense"}


def read_layers(path: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """Weights of each layer, by kind and in the order of creation. Raises CheckpointError."""
    numbered: dict[str, list[tuple[int, dict[str, np.ndarray]]]] = {kind: [] for kind in _KINDS.values()}
    try:
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            for name, group in root.items():
                match = re.fullmatch(r"([a-z0-9_]+?)(?:_(\d+))?", name)
                if match is not None and match[1] in numbered:
                    weights = {
                        key.removesuffix(":0").rsplit("/", 1)[-1]: np.asarray(group[key], np.float32)
                        for key in (key.decode() if isinstance(key, bytes) else str(key) for key in group.attrs["weight_names"])
                    }
                    numbered[match[1]].append((int(match[2] or 0), weights))
    except (OSError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is not an HDF5 file of Keras weights: {error}; name the file that Keras saved") from error
    return {kind: [weights for _, weights in sorted(layers, key=lambda layer: layer[0])] for kind, layers in numbered.items()}


def in_keras_order(model: Classifier) -> Iterator[nn.Module]:
    """The model's modules in the order in which the Keras code creates its layers: the two ResNet
    paths alternate.
    """
    if isinstance(model, ResNet17):
        for low, high in zip(model.low.modules(), model.high.modules(), strict=True):
            yield low
            yield high
        yield from model.head.modules()
    else:
        yield from model.modules()


def to_torch(module: nn.Module, weights: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """A layer's Keras weights with torch's names and axes."""
    if isinstance(module, nn.BatchNorm2d):
        names = {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"}
        return {names[name]: torch.from_numpy(values) for name, values in weights.items()}
    axes = (3, 2, 0, 1) if isinstance(module, nn.Conv2d) else (1, 0)
    tensors = {"weight": torch.from_numpy(weights["kernel"].transpose(axes).copy())}
    return tensors | ({"bias": torch.from_numpy(weights["bias"])} if "bias" in weights else {})


def import_weights(path: Path, model: Classifier) -> None:
    """Load the weights of an HDF5 file into a model.

    Args:
        path: HDF5 file.
        model: Model to fill.

    Raises:
        CheckpointError: Layers are missing, left over or of another shape.
    """
    layers = read_layers(path)
    modules = list(in_keras_order(model))
    for torch_class, kind in _KINDS.items():
        ours = [module for module in modules if isinstance(module, torch_class)]
        if len(ours) != len(layers[kind]):
            raise CheckpointError(
                f"{path} has {len(layers[kind])} layers '{kind}', but {model.NAME} has {len(ours)}; choose another --model"
            )
        for number, (module, weights) in enumerate(zip(ours, layers[kind], strict=True)):
            own = {name: tensor for name, tensor in module.state_dict().items() if name != "num_batches_tracked"}
            try:
                tensors = to_torch(module, weights)
            except KeyError as error:
                raise CheckpointError(f"{path}: {kind} number {number} has no {error}; choose another --model") from error
            shapes = [{name: tuple(tensor.shape) for name, tensor in side.items()} for side in (tensors, own)]
            if shapes[0] != shapes[1]:
                raise CheckpointError(
                    f"{path}: {kind} number {number} has {shapes[0]}, but {model.NAME} needs {shapes[1]}; choose another --width"
                )
            module.load_state_dict(tensors, strict=False)


def main(
    source: Annotated[Path, typer.Argument(help="HDF5 file that Keras saved.")],
    target: Annotated[Path, typer.Argument(help="Safetensors file to write.")],
    model: Annotated[str, typer.Option(help=f"Model: {', '.join(MODELS)}.")],
    classes: Annotated[int, typer.Option(help="Number of classes: 10, or 3 for the coarse models.")] = 10,
    width: Annotated[str, typer.Option(help="Width of the model, such as 1 or 1/2 (the three-class ResNet).")] = "1",
) -> None:
    """Convert Keras weights to safetensors."""
    labels = {3: COARSE, 10: tuple(sorted(GROUPS))}
    if model not in MODELS or classes not in labels:
        raise CheckpointError(f"--model {model} --classes {classes}: choose one of {', '.join(MODELS)}, with 3 or 10 classes")
    network = MODELS[model](classes, Fraction(width))
    import_weights(source, network)
    save_model(target, network, labels[classes])
    print(f"{target}: {model} of {classes} classes, {sum(1 for _ in network.parameters())} tensors from {source}")


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    run(app)
