"""streamaug warm: fill the caches before training."""

from pathlib import Path
from typing import Annotated

import typer

from streamaug.cli.crop_options import CropPlace, Padding, Seconds, crop_of


def warm(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    cache: Annotated[Path, typer.Option(help="Folder on a local disk.")],
    store: Annotated[str | None, typer.Argument(help="Folder or URL of the store. Default: the stores that the recipe names.")] = None,
    cache_gb: Annotated[float, typer.Option(min=0, help="Size limit of the folder in gigabytes.")] = 100.0,
    split: Annotated[str, typer.Option(help="Clips to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    crop: Seconds = None,
    where: CropPlace = None,
    pad: Padding = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Sample rate in Hz to resample clips to. Default: the store's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of decode processes. Default: one per core.")] = None,
) -> None:
    """Put all that a recipe may draw into a cache: features and, with a remote store, bitstreams."""
    from streamaug.cli.console import ProgressBar, stdout
    from streamaug.planning.open_stores import open_stores
    from streamaug.reading.cache import Cache
    from streamaug.recipes import load_recipe
    from streamaug.streaming.warm import remote_clips, warming

    loaded, taken = load_recipe(recipe), crop_of(crop, where, pad, cached=True)
    opened, folder = open_stores(loaded, store), Cache(folder=cache, bound=int(cache_gb * 1e9))
    stream, course = warming(loaded, opened, folder, split=split, crop=taken, rate=rate, workers=workers)
    total = stream.plan.epoch_size(0)
    with ProgressBar() as progress:
        progress.begin("warming", total)
        for clips in course:
            progress.advance(clips)
    is_full = False
    for what, clips in stream.cached.items():
        wanted = remote_clips(stream, opened) if what == "bitstreams" else total
        stdout.print(f"{cache} holds the {what.partition('/')[0]} of {clips} of {wanted} clips")
        is_full = is_full or clips < wanted
    if is_full:
        stdout.print(f"the rest is decoded in every epoch; increase --cache-gb ({cache_gb:g} is too small)")
