"""Join the spoken digits of FSDD to strings of ten, since measures of speech need seconds of it.

    python -m tools.digit_strings FSDD/clips.csv FOLDER [--takes 5]

FSDD/clips.csv has the columns path, label, speaker and take. Each string has the ten digits of one
speaker and take, 0.2 s apart, in an order of its own, and is a clip of the split `evaluate`, with
the speaker as label and group.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import soundfile
import typer

from streamaug.keys import named_key

PAUSE_S = 0.2


def main(
    table: Annotated[Path, typer.Argument(help="Clips table of FSDD.", metavar="CLIPS.csv")],
    folder: Annotated[Path, typer.Argument(help="Folder for the strings and their clips.csv.")],
    takes: Annotated[int, typer.Option(help="Number of takes of each speaker.")] = 5,
) -> None:
    """Write WAV files and a clips table."""
    strings: dict[tuple[str, int], dict[str, Path]] = {}
    for row in pc.read_csv(table).to_pylist():
        if row["take"] < takes:
            strings.setdefault((row["speaker"], row["take"]), {})[row["label"]] = table.parent / row["path"]
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for (speaker, take), digits in sorted(strings.items()):
        order = sorted(digits, key=lambda digit: named_key(0, speaker, take, digit))
        sounds = [soundfile.read(digits[digit], dtype="int16") for digit in order]
        rate = sounds[0][1]
        pause = np.zeros(round(PAUSE_S * rate), np.int16)
        name = f"{speaker}_{take:02d}.wav"
        soundfile.write(folder / name, np.concatenate([part for sound, _ in sounds for part in (sound, pause)]), rate)
        clips.append({"path": name, "label": speaker, "group": speaker, "split": "evaluate"})
    pc.write_csv(pa.Table.from_pylist(clips), folder / "clips.csv")


if __name__ == "__main__":
    typer.run(main)
