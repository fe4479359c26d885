"""Two ranks train as one does, at half the batch each."""

import torch

from tests.train.runs import config_of
from train.models import FCNN, MODELS
from train.preparing import prepare
from train.run import fit
from train.run_folder import create_run_folder


class Frozen(FCNN):
    """Batch norm frozen and dropout off, so that a step depends on the whole batch alone."""

    def __init__(self, classes, width):
        super().__init__(classes, width)
        self.eval()  # Lightning leaves the mode as it finds it


def test_two_ranks_take_the_steps_of_one_process_at_twice_the_batch(store, recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "fcnn", Frozen)
    weights = []
    for devices in (1, 2):
        run = prepare(config_of(store, recipe, tmp_path, f"devices={devices}", f"run={tmp_path / str(devices)}", "steps=2"))
        create_run_folder(run)
        weights.append(fit(run, quiet=True).state_dict())
    torch.manual_seed(run.config.seed)
    started = dict(Frozen(3, run.config.width).named_parameters())
    moved = {name: weights[0][name] - start for name, start in started.items()}
    assert sum(bool(move.abs().max() > 1e-3) for move in moved.values()) > 10
    for name, move in moved.items():
        assert torch.allclose(move, weights[1][name] - started[name], atol=1e-5), name
