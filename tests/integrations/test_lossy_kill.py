"""A run over links is killed in the middle of an epoch, twice, and continues with other workers: all
rows are those of a run that nothing stopped, sample by sample and mask by mask."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from streamaug.streaming import Stream
from tests.integrations.programs import MODEL, Stop, run
from tests.streaming.test_links import RECIPE, built

SETTINGS = {"batch_size": 8, "features": "waveform", "lost": True, "seed": 3, "tail": "keep"}
PROGRAM = f"""
import json, os, torch
from torch.utils.data import DataLoader
from model import note
from streamaug import Stream

stream = Stream("recipe.json", "store", threads=1, **{SETTINGS})
if os.path.exists("saved.json"):
    stream.load_state_dict(json.load(open("saved.json")))
for epoch in range(stream.state_dict()["epoch"], 2):
    for batch in DataLoader(stream, batch_size=None, num_workers=WORKERS):
        note(batch["epoch"], batch["position"])
        torch.save(batch, f"batch.{{batch['epoch']}}.{{batch['position'][0]:03d}}.pt")
        json.dump(stream.state_after(batch), open("new.json", "w"))
        os.replace("new.json", "saved.json")
"""
RUNS = [(2, Stop(4, "killed")), (1, Stop(5, "killed")), (0, None)]
"""Workers, and the batches after which a run is killed. An epoch has six."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lossy")
    built(folder, 12)
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    (folder / "model.py").write_text(MODEL)
    return folder


def test_a_killed_run_continues_with_the_same_losses_on_another_number_of_workers(folder: Path, tmp_path: Path) -> None:
    work = shutil.copytree(folder, tmp_path / "work")
    served = []
    for number, (workers, stop) in enumerate(RUNS):
        [batches] = run(PROGRAM.replace("WORKERS", str(workers)), work, number, ranks=1, stop=stop)
        assert len(batches) == (stop.after if stop else 3)
        served += batches
    whole = Stream(RECIPE, work / "store", threads=1, **SETTINGS)
    expected = [*whole, *whole]
    whole.close()
    assert served == [(batch["epoch"], batch["position"].tolist()) for batch in expected]
    lost = 0
    for path, batch in zip(sorted(work.glob("batch.*.pt")), expected, strict=True):
        saved = torch.load(path)
        assert (saved["clip_id"], saved["condition"]) == (batch["clip_id"], batch["condition"])
        for key in ("waveform", "lost", "length", "label"):
            torch.testing.assert_close(saved[key], batch[key], rtol=0, atol=0)
        lost += int(batch["lost"].sum())
    assert lost > 10_000
