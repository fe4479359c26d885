"""What a stream has done and what it waits for, for people and for TensorBoard."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StreamMetrics:
    """A stream's figures since it began, in one process.

    seconds: since the first batch was asked for. clips: rows served, each view counted. payload: bytes of their bitstreams.
    reads, read: requests made and bytes that came. fetching: seconds spent in reads, over all connections. decoding: seconds of
    the threads in decoding, by condition, and decoded: clips. featuring: seconds in features. cached: clips from the feature cache.
    waiting: seconds that the consumer waited for a batch. ready: part of the batches ahead that stood ready when one was asked
    for, 0 to 1. starving: seconds that the threads waited for bytes, and fetched: part of the payloads that were there when a thread
    wanted them. replaced: clips put in place of broken ones. threads: that decode.
    """

    seconds: float
    batches: int
    clips: int
    payload: int
    reads: int
    read: int
    fetching: float
    decoding: dict[str, float]
    decoded: dict[str, int]
    featuring: float
    cached: int
    waiting: float
    starving: float
    ready: float
    fetched: float
    replaced: int
    threads: int

    @property
    def bottleneck(self) -> str:
        """The stage that the others wait for: `consumer`, `fetch`, or `decode`.

        Where batches stand ready the consumer is the slow one; else it is fetching if the threads wait more than they work.
        """
        if self.ready > 0.5:
            return "consumer"
        return "fetch" if self.starving > sum(self.decoding.values()) + self.featuring else "decode"

    def scalars(self) -> dict[str, float]:
        """Rates by name, as `TensorBoard` takes them."""
        seconds = max(self.seconds, 1e-9)
        return {
            "clips_per_second": self.clips / seconds,
            "payload_megabytes_per_second": self.payload / seconds / 1e6,
            "read_megabytes_per_second": self.read / seconds / 1e6,
            "waiting_share": self.waiting / seconds,
            "batches_ready": self.ready,
            "payloads_ready": self.fetched,
            "feature_cache_share": self.cached / max(self.clips, 1),
            **{f"decode_milliseconds/{name}": 1e3 * spent / max(self.decoded[name], 1) for name, spent in self.decoding.items()},
        }


class Writer(Protocol):
    """The part of torch.utils.tensorboard.SummaryWriter that is needed."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...


def log_metrics(figures: StreamMetrics, writer: Writer, step: int) -> None:
    """Write a stream's figures to TensorBoard under `stream/`."""
    for name, value in figures.scalars().items():
        writer.add_scalar(f"stream/{name}", value, step)


class Stats:
    """Counters that the stages of a stream add to, from any thread."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._threads = threads
        self._begun: float | None = None
        self._sums: Counter[str] = Counter()
        self._times: dict[str, float] = {"fetching": 0.0, "featuring": 0.0, "waiting": 0.0, "starving": 0.0, "ready": 0.0}
        self._decoding: dict[str, float] = {}
        self._decoded: Counter[str] = Counter()

    def begin(self) -> None:
        self._begun = self._begun or time.perf_counter()

    def read(self, size: int, seconds: float) -> None:
        """A read of so many bytes is done."""
        with self._lock:
            self._sums.update(reads=1, read=size)
            self._times["fetching"] += seconds

    def wanted(self, was_there: bool, seconds: float) -> None:
        """A thread wanted a payload, which was there or not, and waited."""
        with self._lock:
            self._sums.update(wanted=1, there=int(was_there))
            self._times["starving"] += seconds

    def decode(self, condition: str, seconds: float) -> None:
        with self._lock:
            self._decoding[condition] = self._decoding.get(condition, 0.0) + seconds
            self._decoded[condition] += 1

    def feature(self, seconds: float) -> None:
        with self._lock:
            self._times["featuring"] += seconds

    def served(self, *, clips: int, payload: int, cached: int, replaced: int, waited: float, ready: float) -> None:
        """A batch is handed over; `ready` is the part of the batches ahead that were finished when it was asked for."""
        with self._lock:
            self._sums.update(batches=1, clips=clips, payload=payload, cached=cached, replaced=replaced)
            self._times["waiting"] += waited
            self._times["ready"] += ready

    def figures(self) -> StreamMetrics:
        with self._lock:
            sums, times = self._sums, self._times
            return StreamMetrics(
                seconds=time.perf_counter() - self._begun if self._begun else 0.0,
                batches=sums["batches"],
                clips=sums["clips"],
                payload=sums["payload"],
                reads=sums["reads"],
                read=sums["read"],
                fetching=times["fetching"],
                decoding=dict(self._decoding),
                decoded=dict(self._decoded),
                featuring=times["featuring"],
                cached=sums["cached"],
                waiting=times["waiting"],
                starving=times["starving"],
                ready=times["ready"] / max(sums["batches"], 1),
                fetched=sums["there"] / sums["wanted"] if sums["wanted"] else 1.0,
                replaced=sums["replaced"],
                threads=self._threads,
            )
