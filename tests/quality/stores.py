"""The small store that quality is measured on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.store import Store

RATE = 44_100
CODED = ("mp3_32", "sbc_64")


def write_clips(folder: Path) -> Path:
    """Six clips of noise and tones, of two labels; returns their table."""
    time = np.arange(int(0.8 * RATE)) / RATE
    lines = ["path,label,split"]
    for number in range(6):
        random = np.random.default_rng(number)
        tone = np.sin(2 * np.pi * 300 * (number + 1) * time)
        signal = 0.1 * tone + 0.02 * random.standard_normal(len(time))
        soundfile.write(folder / f"clip{number}.wav", signal, RATE)
        lines.append(f"clip{number}.wav,{'ab'[number % 2]},train")
    (folder / "clips.csv").write_text("\n".join(lines))
    return folder / "clips.csv"


def build_store(clips_table: Path, url: str) -> Store:
    """A store of these clips as originals and in two codecs, two clips per shard."""
    with ThreadPoolExecutor(1) as executor:
        build(clips_table, url, conditions=parse_conditions(f"original,{','.join(CODED)}"), clips_per_shard=2, executor=executor)
    return Store.open(url)
