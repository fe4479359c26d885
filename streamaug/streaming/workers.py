"""Threads that compute features without each of them wanting all cores."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def start_threads(count: int) -> ThreadPoolExecutor:
    """A pool of started threads, in each of which PyTorch computes on one core; elsewhere its setting stays.

    PyTorch keeps the number of cores a thread, and takes the last one set anywhere for threads to come: so every thread
    of the pool sets its own now, and the caller sets its own again afterwards.
    """
    before = torch.get_num_threads()
    together = threading.Barrier(count)  # without it the first thread would take all the tasks

    def settle() -> None:
        torch.get_num_threads()  # a thread's first question or computation takes the number set elsewhere, once and for all
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="streamaug-decode")
    for task in [pool.submit(settle) for _ in range(count)]:
        task.result()
    torch.set_num_threads(before)
    return pool
