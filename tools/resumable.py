"""Do steps one after another, each once: what is finished is skipped when the command runs again."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from streamaug.cli.console import stdout
from streamaug.files import write_whole
from streamaug.folder_lock import held

FINISHED = "finished"
"""Folder with a file for each finished step: its settings."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that takes long, and that continues when it is called again after it was killed.

    Args:
        name: A short name.
        about: What it does, in a few words.
        run: Does it.
        settings: Gives what decides its result, which may be what earlier steps made; a step whose
            settings have changed is done again.
        output: What it makes; if that is gone, it is done again.
    """

    name: str
    about: str
    run: Callable[[], object]
    settings: Callable[[], Mapping[str, Any]]
    output: Path


def run_steps(folder: Path, steps: Sequence[Step]) -> None:
    """Do the steps that are not finished.

    Args:
        folder: Where notes of the finished ones are kept.
        steps: The steps in their order.

    Raises:
        StreamaugError: Another process works in the folder; or what a step raises.
    """
    notes = folder / FINISHED
    notes.mkdir(parents=True, exist_ok=True)
    with held(folder, FINISHED):
        for number, step in enumerate(steps, start=1):
            _run_step(notes / f"{step.name}.json", step, f"step {number} of {len(steps)}, {step.name}")


def _run_step(note: Path, step: Step, title: str) -> None:
    settings = json.dumps(step.settings(), indent=1, sort_keys=True, default=str)
    if step.output.exists() and note.exists() and note.read_text(encoding="utf-8") == settings:
        stdout.print(f"{title}: finished before")
        return
    stdout.print(f"{title}: {step.about}")
    begun = time.perf_counter()
    note.unlink(missing_ok=True)  # if it is stopped half-way, its result is neither the old one nor the new
    step.run()
    write_whole(note, settings)
    stdout.print(f"{title}: finished in {timedelta(seconds=round(time.perf_counter() - begun))}")
