"""Draw one clip as it arrives without and with a link, its lost packets shaded: docs/pictures/links.png.

python -m tools.links_picture STORE PICTURE.png --clip ID
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure

from streamaug.store import Store
from streamaug.streaming import Stream

CONDITIONS = ("original", "opus-voip_24", "opus-voip_24~loss20", "alaw_64~loss20", "msbc_60~loss20")
LINKS = {"loss20": {"loss": 0.2, "burst": 2}}


def main(
    store: Annotated[Path, typer.Argument(help="Store with original, opus-voip_24, alaw_64 and msbc_60.", metavar="STORE")],
    picture: Annotated[Path, typer.Argument(help="PNG to write.", metavar="PICTURE.png")],
    clip: Annotated[str, typer.Option(help="The clip.")],
) -> None:
    """Write the picture."""
    opened = Store.open(store)
    figure = Figure(figsize=(10, 1.5 * len(CONDITIONS)), layout="constrained", dpi=110)
    all_axes = figure.subplots(len(CONDITIONS), 1, sharex=True, sharey=True)
    for axes, condition in zip(all_axes, CONDITIONS, strict=True):
        with Stream.evaluation(
            opened, condition, split=f"clip_id={clip}", features="waveform", links=LINKS, lost=True, threads=1, batch_size=1
        ) as stream:
            batch = next(iter(stream))
        time = np.arange(batch["waveform"].shape[-1]) / opened.manifest.rate
        axes.plot(time, batch["waveform"][0], linewidth=0.6, color="black")
        for start, stop in np.flatnonzero(np.diff(batch["lost"][0].numpy(), prepend=False, append=False)).reshape(-1, 2):
            axes.axvspan(time[start], time[stop - 1], color="C1", alpha=0.35, linewidth=0)
        axes.set_title(condition, fontsize=10, loc="left")
    all_axes[-1].set(xlim=(0, time[-1]), xlabel="seconds")
    figure.savefig(picture)


if __name__ == "__main__":
    typer.run(main)
