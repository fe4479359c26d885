"""Each program of docs/trainers.md sees the plan's rows, however it is stopped, with workers and on
ranks."""

from pathlib import Path

import pytest

from tests.integrations.programs import PROGRAMS, Stop, run

LIGHTNING, ACCELERATE, TRAINER, TORCHRUN, STATEFUL, WEBDATASET = PROGRAMS
STOPS = [Stop(3, "error"), Stop(2, "killed"), None]
"""Three runs of 4 batches an epoch, a checkpoint after every second: one stops in the middle of an
epoch, one is killed and left with the checkpoint of an epoch's end, one runs to the end."""
WAYS = [
    pytest.param(workers, ranks, marks=() if (workers, ranks) in ((2, 1), (0, 2)) else pytest.mark.matrix)
    for workers in (0, 2, "spawned")
    for ranks in (1, 2)
]
"""Workers and ranks. `make test` runs two of them for each trainer, `make matrix` all."""

BEGINS = [0, 2, 4]
"""The batches after which each run begins."""


def with_workers(program: str, workers: int | str) -> str:
    if workers == "spawned":
        return program.replace("num_workers=2", 'num_workers=1, multiprocessing_context="spawn"').replace(
            "dataloader_num_workers=1, multi", "dataloader_num_workers=1, dataloader_multi"
        )
    return program.replace("num_workers=2", f"num_workers={workers}")


def check_stops_and_resumes(program: str, folder: Path, workers: int | str, ranks: int) -> None:
    """Each run sees the plan's rows from its checkpoint on, every rank its slice of each batch."""
    for number, (stop, begin) in enumerate(zip(STOPS, BEGINS, strict=True)):
        seen = run(with_workers(program, workers), folder, number, ranks=ranks, stop=stop)
        end = begin + stop.after if stop else 8
        expected = [(batch // 4, list(range(batch % 4 * 24, batch % 4 * 24 + 24))) for batch in range(begin, end)]
        size = 24 // ranks
        for rank, batches in enumerate(seen):
            assert batches == [(epoch, rows[rank * size : (rank + 1) * size]) for epoch, rows in expected], (number, rank)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_lightning_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    program = PROGRAMS[LIGHTNING].replace("Trainer(", f'Trainer(devices={ranks}, strategy="ddp", ' if ranks > 1 else "Trainer(")
    check_stops_and_resumes(program, folder, workers, ranks)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_accelerate_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    check_stops_and_resumes(PROGRAMS[ACCELERATE], folder, workers, ranks)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_hugging_face_trainer_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    check_stops_and_resumes(PROGRAMS[TRAINER], folder, workers, ranks)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_torchrun_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    check_stops_and_resumes(PROGRAMS[TORCHRUN], folder, workers, ranks)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_stateful_dataloader_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    program = PROGRAMS[STATEFUL]
    if ranks > 1:  # each rank saves its own state
        program = "import os\n" + program.replace('"saved.pt"', '"saved.pt" + os.environ["RANK"]').replace(
            '"new.pt"', '"new.pt" + os.environ["RANK"]'
        )
    check_stops_and_resumes(program, folder, workers, ranks)


@pytest.mark.parametrize(("workers", "ranks"), WAYS)
def test_webdataset_stops_and_resumes_with_the_plans_rows(folder: Path, workers: int | str, ranks: int) -> None:
    program = PROGRAMS[WEBDATASET].replace("batched(24)", f"batched({24 // ranks})")
    if ranks > 1:  # the ranks stop at any batch, each saves its own state
        program = "import os\n" + program.replace('"saved.pt"', '"saved.pt" + os.environ["RANK"]').replace(
            '"new.pt"', '"new.pt" + os.environ["RANK"]'
        )
    check_stops_and_resumes(program, folder, workers, ranks)
