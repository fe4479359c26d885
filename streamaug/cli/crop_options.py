"""The options of a crop, which several commands have."""

from typing import Annotated

import typer

from streamaug.crop import Crop, Pad, Where
from streamaug.errors import StreamaugError

Seconds = Annotated[float | None, typer.Option("--crop", help="Seconds to take of each clip. Default: all of it.")]
Padding = Annotated[
    Pad | None,
    typer.Option("--pad", help="What fills shorter clips up: zeros, their own sound again (repeat), or none. Default: zeros."),
]


def crop_of(seconds: float | None, where: Where | None, pad: Pad | None, *, default: Where = "random") -> Crop | None:
    """The crop that a user asks for.

    Args:
        seconds: Of --crop.
        where: Of --where.
        pad: Of --pad.
        default: Place without --where.

    Raises:
        StreamaugError: --where or --pad without --crop, or a wrong value.
    """
    if seconds is None:
        if where is not None or pad is not None:
            raise StreamaugError("--where and --pad are for crops; add --crop SECONDS, or leave them out")
        return None
    return Crop(seconds, where=where or default, pad=pad or "zeros")
