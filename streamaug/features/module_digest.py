"""Hash a module: its classes, plain attributes, parameters and buffers, and those of all modules in
it."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

MODULES_OWN = frozenset(vars(nn.Module()))
"""Attributes that every module has; parameters, buffers and parts are looked at by themselves."""


def module_digest(module: nn.Module, code: Callable[[type], str], text: Callable[[Any, str], str | None]) -> str:
    """A sha256 that changes with whatever decides what a module computes, in hex.

    Args:
        module: The module.
        code: Names the version of a class's code.
        text: The text of an attribute, whose path is given for errors; None to leave it out.
    """
    digest = hashlib.sha256()
    for path, part in module.named_modules():
        kind = type(part)
        digest.update(f"{path}: {kind.__module__}.{kind.__qualname__} {code(kind)}\n".encode())
        for name, value in sorted(vars(part).items()):
            if name not in MODULES_OWN and (line := text(value, f"{path}.{name}".lstrip("."))) is not None:
                digest.update(f"{name} = {line}\n".encode())
        tensors = {**part._parameters, **part._buffers}  # not state_dict: a window is a buffer that it leaves out
        for name, tensor in sorted(tensors.items()):
            if tensor is not None:
                content = tensor.detach().cpu().contiguous()
                digest.update(f"{name} {content.dtype} {tuple(content.shape)}\n".encode())
                digest.update(memoryview(content.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
