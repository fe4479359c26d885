"""What a stream has done and what it waits for, for people and for TensorBoard."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StreamMetrics:
    """A stream's metrics in one process, since its first batch there.

    Args:
        seconds: Since the first batch was requested.
        batches: Batches handed over.
        clips: Clips in them; each view counts.
        payload_bytes: Bytes of their bitstreams.
        reads: Read requests made.
        read_bytes: Bytes that they brought.
        fetch_s: Seconds spent in reads, over all connections.
        decode_s: Seconds that workers spent decoding, by condition.
        decoded_clips: Clips decoded, by condition.
        feature_s: Seconds that workers spent on features.
        cached_clips: Clips that came from the feature cache.
        batch_wait_s: Seconds that the training loop waited for a batch.
        payload_wait_s: Seconds that workers waited for bitstreams.
        payload_hit_rate: Share of bitstreams that had arrived when a worker needed them.
        queue_fill: Share of the batches ahead that were complete when one was requested.
        replaced_clips: Clips served in place of broken ones.
        workers: Number of decoding workers.
    """

    seconds: float
    batches: int
    clips: int
    payload_bytes: int
    reads: int
    read_bytes: int
    fetch_s: float
    decode_s: dict[str, float]
    decoded_clips: dict[str, int]
    feature_s: float
    cached_clips: int
    batch_wait_s: float
    payload_wait_s: float
    payload_hit_rate: float
    queue_fill: float
    replaced_clips: int
    workers: int

    @property
    def bottleneck(self) -> str:
        """The stage that the others wait for: `training loop`, `fetch` or `decode`; `none` before
        the first batch.

        If complete batches wait, the training loop is the slow one; else it is fetching if the
        workers wait more than they work.
        """
        if not self.batches:
            return "none"
        if self.queue_fill > 0.5:
            return "training loop"
        return "fetch" if self.payload_wait_s > sum(self.decode_s.values()) + self.feature_s else "decode"

    def scalars(self) -> dict[str, float]:
        """Rates by name, as TensorBoard takes them."""
        seconds = max(self.seconds, 1e-9)
        return {
            "clips_per_second": self.clips / seconds,
            "payload_megabytes_per_second": self.payload_bytes / seconds / 1e6,
            "read_megabytes_per_second": self.read_bytes / seconds / 1e6,
            "batch_wait_share": self.batch_wait_s / seconds,
            "queue_fill": self.queue_fill,
            "payload_hit_rate": self.payload_hit_rate,
            "feature_cache_share": self.cached_clips / max(self.clips, 1),
            **{f"decode_milliseconds/{name}": 1e3 * spent / max(self.decoded_clips[name], 1) for name, spent in self.decode_s.items()},
        }


class Writer(Protocol):
    """The part of torch.utils.tensorboard.SummaryWriter that is needed."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...


def log_metrics(metrics: StreamMetrics, writer: Writer, step: int) -> None:
    """Write a stream's metrics to TensorBoard under `stream/`.

    Args:
        metrics: `stream.metrics`.
        writer: A SummaryWriter.
        step: The training step.
    """
    for name, value in metrics.scalars().items():
        writer.add_scalar(f"stream/{name}", value, step)


class Counters:
    """Counters that the stages of a stream add to, from any thread."""

    def __init__(self) -> None:
        self.workers = 0
        self._lock = threading.Lock()
        self._begun: float | None = None
        self._counts: Counter[str] = Counter()
        self._times: dict[str, float] = {"fetch": 0.0, "feature": 0.0, "batch_wait": 0.0, "payload_wait": 0.0, "queue_fill": 0.0}
        self._decode_s: dict[str, float] = {}
        self._decoded: Counter[str] = Counter()

    def begin(self, workers: int) -> None:
        """An iteration begins, on so many workers."""
        self.workers = workers
        self._begun = self._begun or time.perf_counter()

    def read(self, size: int, seconds: float) -> None:
        """A read brought so many bytes."""
        with self._lock:
            self._counts.update(reads=1, read_bytes=size)
            self._times["fetch"] += seconds

    def payload(self, seconds: float, *, is_hit: bool) -> None:
        """A worker needed a bitstream, which had arrived or not, and waited."""
        with self._lock:
            self._counts.update(payloads=1, payload_hits=int(is_hit))
            self._times["payload_wait"] += seconds

    def row(self, condition: str, decode_s: float, feature_s: float) -> None:
        """A clip was decoded."""
        with self._lock:
            self._decode_s[condition] = self._decode_s.get(condition, 0.0) + decode_s
            self._decoded[condition] += 1
            self._times["feature"] += feature_s

    def batch(self, *, clips: int, payload_bytes: int, cached_clips: int, replaced_clips: int, wait_s: float, queue_fill: float) -> None:
        """A batch is handed over."""
        with self._lock:
            self._counts.update(
                batches=1, clips=clips, payload_bytes=payload_bytes, cached_clips=cached_clips, replaced_clips=replaced_clips
            )
            self._times["batch_wait"] += wait_s
            self._times["queue_fill"] += queue_fill

    def metrics(self) -> StreamMetrics:
        """What was counted so far."""
        with self._lock:
            counts, times = self._counts, self._times
            return StreamMetrics(
                seconds=time.perf_counter() - self._begun if self._begun else 0.0,
                batches=counts["batches"],
                clips=counts["clips"],
                payload_bytes=counts["payload_bytes"],
                reads=counts["reads"],
                read_bytes=counts["read_bytes"],
                fetch_s=times["fetch"],
                decode_s=dict(self._decode_s),
                decoded_clips=dict(self._decoded),
                feature_s=times["feature"],
                cached_clips=counts["cached_clips"],
                batch_wait_s=times["batch_wait"],
                payload_wait_s=times["payload_wait"],
                payload_hit_rate=counts["payload_hits"] / counts["payloads"] if counts["payloads"] else 1.0,
                queue_fill=times["queue_fill"] / max(counts["batches"], 1),
                replaced_clips=counts["replaced_clips"],
                workers=self.workers,
            )
