"""Run the programs of docs/trainers.md, with a model that notes its rows and stops where a test
says.

Each rank is forked from a server that has imported the trainers, so that a run takes a second.
"""

import contextlib
import json
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.forked import fork_server

PAGE = (Path(__file__).parents[2] / "docs" / "trainers.md").read_text()
PROGRAMS: dict[str, str] = {
    heading: program.replace('Stream("recipe.yaml", "store"', 'Stream("recipe.yaml", "store", features="waveform", threads=1')
    for heading, program in re.findall(r"## (.*?)\n.*?```python\n(.*?)```", PAGE, re.DOTALL)
}
"""The programs of the page by the heading of their section, with the feature that takes the least time."""

MODEL = '''
import json, os, signal
from pathlib import Path
import torch

served = 0

def note(epoch, position):
    """Note the rows of a batch; or stop instead, killed or with an error, where the test says."""
    global served
    if served == int(os.environ["STOP_AFTER"]):
        if os.environ["STOP"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("stopped")
    served += 1
    with open(f"rows.{os.environ['RUN']}.{os.environ.get('RANK', 0)}", "a") as file:
        file.write(json.dumps([int(epoch), position.tolist()]) + chr(10))

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, batch):
        note(batch["epoch"], batch["position"])
        return self.layer(batch["label"][:, None].float()).mean()

class TrainerModel(Model):
    def forward(self, label, epoch, position):
        return {"loss": super().forward({"label": label, "epoch": epoch, "position": position})}

def __getattr__(name):
    if name != "LightningModel":
        raise AttributeError(name)
    import lightning

    class LightningModel(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def training_step(self, batch, _):
            return self.model(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return LightningModel
'''


@dataclass(frozen=True)
class Stop:
    """Where a run stops: after so many batches, killed or with an error."""

    after: int
    how: str


def run(program: str, folder: Path, number: int, *, ranks: int, stop: Stop | None) -> list[list[tuple[int, list[int]]]]:
    """Run a program on ranks as torchrun starts them.

    Returns:
        For each rank the epoch and positions of every batch that its model saw.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(ranks):
        environment = {"RUN": str(number), "STOP_AFTER": str(stop.after if stop else -1), "STOP": stop.how if stop else ""}
        if ranks > 1 or "init_process_group" in program:
            environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
            environment |= {
                "MASTER_ADDR": "127.0.0.1",
                "GLOO_SOCKET_IFNAME": "lo",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "test",
                "GROUP_RANK": "0",
            }
        processes.append(fork_server().Process(target=_rank, args=(program, folder, environment)))
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    ends = [process.exitcode for process in processes]
    for process in processes:
        # DataLoader's workers of a killed rank wait for the server that forked them, which waits for them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
    expected = {None: 0, "killed": -signal.SIGKILL, "error": 1}[stop.how if stop else None]
    assert expected in ends if stop and ranks > 1 else ends == [expected] * ranks, (ends, (folder / "errors").read_text()[-3000:])
    return [_rows(folder / f"rows.{number}.{rank}") for rank in range(ranks)]


def _rank(program: str, folder: Path, environment: dict[str, str]) -> None:
    os.setpgid(0, 0)
    os.environ |= {**environment, "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "1"}
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    errors = os.open("errors", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    import torch

    torch.set_num_threads(1)
    exec(compile(program, "train.py", "exec"), {"__name__": "__main__"})


def _rows(path: Path) -> list[tuple[int, list[int]]]:
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
