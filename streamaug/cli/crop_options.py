"""The options of a crop, which several commands have."""

import math
from typing import Annotated

import typer

from streamaug.crop import Crop, Pad, Where
from streamaug.errors import StreamaugError

Seconds = Annotated[float | None, typer.Option("--crop", help="Seconds to take of each clip. Default: all of it.")]
Padding = Annotated[
    Pad | None,
    typer.Option("--pad", help="What fills shorter clips up: zeros, their own sound again (repeat), or none. Default: zeros."),
]


CropPlace = Annotated[
    Where | None,
    typer.Option("--where", help="Place of the crop in the clip: random, start or centre; with a cache, not random. Default: random."),
]


def crop_of(seconds: float | None, where: Where | None, pad: Pad | None, *, default: Where = "random", cached: bool = False) -> Crop | None:
    """The crop that a user asks for.

    Args:
        seconds: Of --crop.
        where: Of --where.
        pad: Of --pad.
        default: Place without --where; an evaluation has none that is random.
        cached: Whether --cache is to keep features.

    Raises:
        StreamaugError: --where or --pad without --crop, a length that is none, or a random crop whose
            features are to be kept.
    """
    if seconds is None:
        if where is not None or pad is not None:
            raise StreamaugError("--where and --pad are for crops; add --crop SECONDS, or leave them out")
        return None
    if not 0 < seconds < math.inf:
        raise StreamaugError(f"--crop {seconds:g}: write a length in seconds above 0")
    where = where or default
    if cached and where == "random":
        raise StreamaugError(
            "--cache keeps features, and those of a random crop are others in every epoch; add --where start or --where centre, in "
            "all commands that share the cache"
        )
    return Crop(seconds, where=where, pad=pad or "zeros")
