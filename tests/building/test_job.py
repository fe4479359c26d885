"""The parts of a build that need no store to be tested: the job, its originals, its workers."""

import dataclasses
import inspect
import os
import re

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.building.clips_table import SHARDS, SMALLEST, assign_shards
from streamaug.building.job import Job
from streamaug.building.reading import Reading
from streamaug.building.recordings import Originals
from streamaug.building.sources import load
from streamaug.codecs.pcm import digest
from streamaug.errors import ClipsError, StreamaugError
from streamaug.executors import pool, results
from streamaug.store.folder import Folder
from tests.building.clips import RATE


def test_build_takes_every_field_of_a_job_and_who_does_the_work():
    parameters = inspect.signature(build).parameters
    fields = {field.name for field in dataclasses.fields(Job)}
    assert set(parameters) == fields | {"workers", "executor", "progress"}


def descriptions(text: str) -> dict[str, str]:
    """The parameters under `Args:` of a docstring, on one line each."""
    parameters = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.cleandoc(text), re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in parameters}


def test_build_and_job_describe_their_parameters_in_the_same_words():
    of_job = descriptions(Job.__doc__)
    assert set(of_job) == {field.name for field in dataclasses.fields(Job)}
    assert of_job.items() <= descriptions(build.__doc__).items()


@pytest.mark.parametrize(("clips", "largest"), [(10, 10), (200, 25), (5_000, 128), (5_000, 5_000 // SHARDS)])
def test_shards_hold_an_eighth_of_a_value_within_limits_and_differ_by_one_clip(clips, largest):
    sizes = np.bincount(assign_shards([f"clip{number}" for number in range(clips)], ["train"] * clips, largest))
    assert sizes.max() <= largest
    assert sizes.max() - sizes.min() <= 1
    assert sizes.min() >= min(clips, SMALLEST)


def test_a_clip_whose_original_is_gone_is_named_to_an_effect_that_listens_to_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(RATE, 0.25), RATE)
    reading = Reading(rate=RATE, samples=RATE // 2)
    sha256 = digest(load(str(tmp_path / "a.wav"), reading).pcm)
    paths = [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]
    clips = pa.table({"clip_id": ["a", "b"], "path": paths, "sha256": pa.array([sha256, bytes(32)], pa.binary(32))})
    originals = Originals.staged(Folder.at(tmp_path), "build", clips, reading)
    np.testing.assert_array_equal(originals.signal("a"), np.full(RATE // 2, 0.25, np.float32))
    with pytest.raises(ClipsError, match=r"clip 'b' \(.*b\.wav\): missing"):
        originals.signal("b")


def test_a_killed_worker_is_an_error_that_says_how_to_resume():
    with pool(None, workers=1) as executor, pytest.raises(StreamaugError, match=r"worker was killed.*memory.*run the command again"):
        list(results(executor, [(os._exit, (9,))]))
