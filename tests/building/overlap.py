"""Two builders and one reader at the same time on one store, with builders that are killed at random.

Run `python -c "from tests.building.overlap import main; main(URL, TRIALS, SEED)"`. The processes are
forks of a server that has imported everything once, so that a killed builder costs no import.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from streamaug.building.build import build
from streamaug.building.compact import compact
from streamaug.building.prune import find_prunable
from streamaug.codecs import load_settings
from streamaug.conditions import parse_conditions
from streamaug.errors import StoreError
from streamaug.store import Store
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.forked import fork_server
from tests.in_process import InProcess

REFUSED = 3
"""Exit code of a builder that another one came before."""

LONGEST_S = 120


def make(url: str, folder: Path, table: str, conditions: str, encoder_argument: str | None = None) -> None:
    settings = None
    if encoder_argument:
        path = folder / f"{encoder_argument}.yaml"
        path.write_text(
            f"codecs: {{mp3: {{encoders: [{{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {{{encoder_argument}: '0'}}}}]}}}}"
        )
        settings = load_settings(path)
    build(
        folder / table,
        url,
        name="overlap",
        conditions=parse_conditions(conditions),
        clips_per_shard=3,
        settings=settings,
        replace=settings is not None,
        executor=InProcess(),
    )


def join(url: str) -> None:
    compact(Store.open(url), executor=InProcess())


def read(url: str, ended: Event) -> None:
    """Read one snapshot again and again, as training does, until the builders have ended."""
    store = Store.open(url)
    ids = store.clips["clip_id"].to_pylist()
    heard: dict[tuple[str, str], bytes] = {}
    is_last = False
    while not is_last:
        is_last = ended.is_set()
        for clip in ids:
            for condition in store.conditions:
                sound = store.read(condition, clip).samples.tobytes()
                assert heard.setdefault((condition, clip), sound) == sound, f"{condition} of {clip} has changed"


def in_environment(environment: dict[str, str], action: Callable[..., None], *arguments: Any) -> None:
    """Run an action in a fork of a server that may be older than some of the variables."""
    os.environ.update(environment)
    action(*arguments)


def refusable(action: Callable[[], None]) -> None:
    try:
        action()
    except StoreError as error:
        sys.stdout.write(f"refused: {error}\n")
        sys.exit(REFUSED)


class Trial:
    """One store, two builders, one reader."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.url, self.folder, self.random = url, folder, random.Random(seed)
        lines = write_clips(folder, 8, seconds=0.2).read_text().splitlines()
        for number, who in enumerate("ab"):
            extra = write_clips(folder / who, 4, seconds=0.2, first=100 * (number + 1)).read_text().splitlines()[1:]
            (folder / f"{who}.csv").write_text("\n".join([*lines, *(f"{who}/{line}" for line in extra)]) + "\n")

    def start(self, action: Callable[..., None], *arguments: Any) -> BaseProcess:
        process = fork_server().Process(target=in_environment, args=(dict(os.environ), action, *arguments))
        process.start()
        return process

    def job(self, who: str) -> Callable[[], None]:
        """What a builder does, again if it is killed."""
        build_here = partial(make, self.url, self.folder)
        return self.random.choice(
            [
                partial(build_here, "clips.csv", "original,mulaw_64" if who == "a" else "original,alaw_64"),
                partial(build_here, "clips.csv", "original,mulaw_64,alaw_64"),
                partial(build_here, f"{who}.csv", "original,mp3_32"),
                partial(build_here, "clips.csv", "original,mp3_32", "reservoir" if who == "a" else "joint_stereo"),
                partial(join, self.url),
            ]
        )

    def run(self) -> str:
        """Returns what happened. Raises AssertionError."""
        make(self.url, self.folder, "clips.csv", "original,mp3_32")
        published = self.published()
        ended = fork_server().Event()
        reader = self.start(read, self.url, ended)
        try:
            kills, codes = self.build()
        finally:
            ended.set()
        reader.join(LONGEST_S)
        assert reader.exitcode == 0, "the reader did not read what it had opened"
        assert set(codes.values()) <= {0, REFUSED}, codes
        assert 0 in codes.values(), "no builder succeeded"
        assert self.published() >= published, "a published clip is lost"
        find_prunable(Store.open(self.url), 0, now=time.time() + 3600).delete()
        found = [str(finding) for finding in verify(Store.open(self.url), decode=True, executor=InProcess()).findings]
        assert found == []
        return f"{kills} kills, {sum(code == REFUSED for code in codes.values())} refused"

    def build(self) -> tuple[int, dict[str, int | None]]:
        """Run both builders to their end. Returns how many were killed meanwhile, and the exit codes."""
        jobs = {who: partial(refusable, self.job(who)) for who in "ab"}
        running = {who: self.start(job) for who, job in jobs.items()}
        kills, codes = 0, dict[str, int | None]()
        for who, job in jobs.items():
            while who not in codes:
                is_killed = self.random.random() < 0.6
                running[who].join(self.random.uniform(0.02, 0.6) if is_killed else LONGEST_S)
                if running[who].is_alive():
                    assert is_killed, f"builder {who} has not ended"
                    running[who].kill()
                    running[who].join()
                    kills += 1
                    running[who] = self.start(job)
                else:
                    codes[who] = running[who].exitcode
        return kills, codes

    def published(self) -> set[tuple[str, str]]:
        store = Store.open(self.url)
        return {(name, clip) for name in store.conditions for clip in store.index(name).table["clip_id"].to_pylist()}


def main(url: str, trials: int, seed: int) -> None:
    for number in range(seed, seed + trials):
        with tempfile.TemporaryDirectory() as folder:
            result = Trial(f"{url}/{number}", Path(folder), number).run()
            sys.stdout.write(f"trial {number}: {result}\n")
