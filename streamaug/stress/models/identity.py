"""Tell whether an imported model is still the same: a hash of its code and weights."""

import functools
import hashlib
import inspect
import types
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from streamaug.code_digests import code_text
from streamaug.features.module_digest import module_digest

_PLAIN = bool | int | float | str | None


def object_digest(model: Any) -> str:
    """A sha256 that changes with the code and the weights of an imported model, in hex.

    Of a module: its classes, plain attributes, parameters and buffers. Of another callable: its
    code, its `cache_key` where it has one, and the modules and tensors that it refers to. Code is
    the version of an installed package, or else the source file of a class or function; other files
    that this one imports are not looked at.

    Args:
        model: A module, or another callable.
    """
    if isinstance(model, nn.Module):
        return module_digest(model, code_text, _attribute_text)
    is_function = isinstance(model, types.FunctionType | types.MethodType)
    digest = hashlib.sha256(code_text(model if is_function else type(model)).encode())
    key = getattr(model, "cache_key", None)
    digest.update(f"cache_key = {key() if callable(key) else key}\n".encode())
    for name, value in sorted(_referenced(model), key=lambda pair: pair[0]):
        digest.update(f"{name} = {_value_text(value)}\n".encode())
    return digest.hexdigest()


def _attribute_text(value: Any, path: str) -> str | None:  # noqa: ARG001  # the signature of module_digest
    """An attribute of a module, if it is a plain value or made of such."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple) and all(isinstance(each, _PLAIN) for each in value):
        return repr(tuple(value))
    return None


def _referenced(model: Any) -> Iterator[tuple[str, Any]]:
    """What a callable that is not a module refers to, by name."""
    if isinstance(model, functools.partial):
        yield from (("func", model.func), *((str(number), each) for number, each in enumerate(model.args)), *model.keywords.items())
        return
    if isinstance(model, types.MethodType):
        yield "self", model.__self__
        model = model.__func__
    if isinstance(model, types.FunctionType):
        variables = inspect.getclosurevars(model)
        yield from variables.globals.items()
        yield from variables.nonlocals.items()
    elif hasattr(model, "__dict__"):
        yield from vars(model).items()


def _value_text(value: Any) -> str:
    if isinstance(value, nn.Module):
        return object_digest(value)
    if isinstance(value, Tensor):
        holder = nn.Module()
        holder.register_buffer("value", value)
        return object_digest(holder)
    if isinstance(value, types.FunctionType | type):
        return code_text(value)
    return _attribute_text(value, "") or type(value).__name__
