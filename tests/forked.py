"""Start processes that a test may kill as forks of a server that has imported what they need, so that
each costs a fraction of a second.

A process of pytest has one such server, which imports when it starts: one list for all tests.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

_PRELOADED = [
    "accelerate",
    "lightning",
    "streamaug.cli.main",
    "streamaug.integrations.webdataset",
    "streamaug.streaming.loader",
    "streamaug.stress.run",
    "tests.building.overlap",
    "tests.stress.models",
    "tools.import_keras_weights",
    "tools.tau2020",
    "torchdata.stateful_dataloader",
    "train.paper.experiment_a",
    "train.paper.experiment_b",
    "transformers",
]


def fork_server() -> ForkServerContext:
    """The context whose processes are forks of the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context
