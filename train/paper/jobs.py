"""The runs of an experiment: one after the other, or several at a time in processes of one thread."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import torch

from streamaug.cli.console import Terminal
from streamaug.executors import pool, results
from train.config import RunConfig
from train.errors import RunError
from train.predictions import read_predictions
from train.run import run_training
from train.run_folder import POSITION, PREDICTIONS, load_run_config


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the experiment."""

    row: str
    fold: str | None
    config: RunConfig


def run_jobs(
    jobs: Sequence[Job], steps: Sequence[int], console: Terminal, *, processes: int | None = None, quiet: bool = True
) -> list[pa.Table]:
    """The predictions of each job, in the order of the jobs.

    Args:
        jobs: The jobs.
        steps: Training steps of each, from which the time left is estimated.
        console: Where progress is printed.
        processes: Jobs to run at a time, each in a process with one thread of torch. Small models
            train up to twice as fast that way, and with the same result on any number of cores.
            Default: one after the other, in this process, with all cores.
        quiet: Show no progress bar for each run; processes never show one.

    Raises:
        RunError: The folder of a job has another run.
        WorkerKilledError: A process was killed.
    """
    if processes is None:
        tables = []
        trained_steps, seconds = 0, 0.0
        for number, job in enumerate(jobs, 1):
            left = (
                "" if not trained_steps else f"; about {timedelta(seconds=round(seconds / trained_steps * sum(steps[number - 1 :])))} left"
            )
            console.print(f"run {number} of {len(jobs)}: {job.config.run}{left}")
            is_whole, begun = not job.config.run.exists(), time.perf_counter()
            tables.append(_run_job(job, quiet=quiet))
            if is_whole:  # neither read nor resumed
                trained_steps, seconds = trained_steps + steps[number - 1], seconds + time.perf_counter() - begun
        return tables
    finished: dict[int, pa.Table] = {}
    with pool(None, min(processes, len(jobs))) as executor:
        for number, table in results(executor, [(_run_on_one_thread, (job,)) for job in jobs]):
            finished[number] = table
            console.print(f"{len(finished)} of {len(jobs)} runs are finished: {jobs[number].config.run}")
    return [finished[number] for number in range(len(jobs))]


def _run_on_one_thread(job: Job) -> pa.Table:
    torch.set_num_threads(1)
    return _run_job(job, quiet=True)


def _run_job(job: Job, *, quiet: bool) -> pa.Table:
    """The job's predictions: read if it is finished, otherwise from a run that starts or resumes.

    Raises:
        RunError: The job's folder has another run.
    """
    folder = job.config.run
    if not folder.exists():
        return run_training(job.config, row=job.row, fold=job.fold, quiet=quiet)
    if load_run_config(folder) != job.config:
        raise RunError(f"{folder} has a run with other settings; choose another folder with --out, or remove this one")
    if (folder / PREDICTIONS).exists():
        return read_predictions(folder / PREDICTIONS)
    resume = (folder / POSITION).exists()
    if not resume:  # it was stopped before it saved a position
        shutil.rmtree(folder)
    return run_training(job.config, row=job.row, fold=job.fold, resume=resume, quiet=quiet)
