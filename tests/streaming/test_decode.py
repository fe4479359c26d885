"""Decoding is a pure task: it travels, and gives the same bits wherever it runs."""

import multiprocessing
import pickle

import pytest
import torch

from streamaug.crop import Span
from streamaug.errors import CorruptError
from streamaug.features import LogMel, Waveform
from streamaug.store import Store
from streamaug.streaming.decode import DecodeTask, Processing, decode_row, recall_rows
from tests.streaming.conftest import ELSEWHERE, RATE


def task(store: Store, condition: str = "mp3_64", payload: bytes | None = None, *, is_cached: bool = True) -> DecodeTask:
    location = store.locations(condition)
    start = int(location.offset[3])
    return DecodeTask(
        payload=payload or store.folder.read_range(location.path(3), start, start + int(location.size[3])),
        decoding=location.meta.decoding,
        rate=RATE,
        delay=int(location.delay[3]),
        samples=RATE,
        row_rate=RATE,
        span=Span(start=0, stop=RATE, samples=RATE),
        longest=RATE,
        processing=Processing(features={"logmel": LogMel(rate=RATE), "waveform": Waveform()}),
        is_cached=(is_cached, is_cached),
    )


def empty(work: DecodeTask) -> list[torch.Tensor]:
    return [torch.empty(feature.shape(work.samples)) for feature in work.processing.features.values()]


def carried_out(packed: bytes) -> list[bytes]:
    torch.set_num_threads(1)
    work = pickle.loads(packed)
    outs = empty(work)
    decode_row(work, outs)
    return [out.numpy().tobytes() for out in outs]


@ELSEWHERE
def test_a_task_gives_the_same_bits_in_another_process(store: Store) -> None:
    packed = pickle.dumps(task(store))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(carried_out, (packed,)) == carried_out(packed)


def test_a_row_from_the_cache_has_the_bits_of_the_row_that_was_cached(store: Store) -> None:
    work = task(store)
    outs = empty(work)
    decoded = decode_row(work, outs)
    for feature, stored, out in zip(work.processing.features.values(), decoded.stored, outs, strict=True):
        again = torch.empty_like(out)
        recall_rows(feature, RATE, [RATE], [memoryview(bytearray(stored.tobytes()))], [again])
        assert torch.equal(again, out)


def test_without_a_cache_nothing_is_rounded(store: Store) -> None:
    work = task(store, is_cached=False)
    logmel, waveform = outs = empty(work)
    assert decode_row(work, outs).stored == (None, None)
    assert torch.equal(logmel[0], LogMel(rate=RATE)(waveform)[:, 4:-4])


def test_broken_bytes_raise_corrupt_error(store: Store) -> None:
    work = task(store, payload=bytes(3000))
    with pytest.raises(CorruptError):
        decode_row(work, empty(work))
