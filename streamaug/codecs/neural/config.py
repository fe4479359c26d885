"""Describe the checkpoint of a neural codec, as a settings file names it."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from streamaug.references import is_reference

VARIABLE = "STREAMAUG_NEURAL"
"""Environment variable with the path of a settings file, whose checkpoints decode what a store holds."""


class NeuralConfig(BaseModel):
    """A model that encodes and decodes; docs/extending.md says what it must have.

    Args:
        checkpoint: Its file: TorchScript, or safetensors with the weights of `module`.
        module: `package.module:name` of the class, or the function without arguments, that makes the
            `torch.nn.Module` for weights in safetensors. Default: none, the file is TorchScript.
        folder: Where a relative `checkpoint` begins, and where modules are found besides the
            installed ones. Default in a settings file: the file's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: Path
    module: str | None = None
    folder: Path = Path()

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self.folder / self.checkpoint

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        is_safetensors = self.checkpoint.suffix == ".safetensors"
        if is_safetensors and self.module is None:
            raise ValueError("a safetensors file holds weights alone; name the class that they belong to: 'module: package.module:Class'")
        if not is_safetensors and self.module is not None:
            raise ValueError("a TorchScript file holds its own code; leave 'module' out, or save the weights as .safetensors")
        if self.module is not None and not is_reference(self.module):
            raise ValueError(f"'{self.module}' does not name a class; write 'module: package.module:Class'")
        return self
