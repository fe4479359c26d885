"""Checkpoints of the tiny codec, and a store that was built with them."""

import csv
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from streamaug.building.build import build
from streamaug.codecs import Settings, load_settings
from streamaug.codecs.neural.config import VARIABLE
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from tests.codecs.neural import tiny

CONDITIONS = "original,tiny_8,tiny-safe_16,tiny_32+alaw_64"
SETTINGS = """
neural:
  tiny: {checkpoint: tiny.ts}
  tiny-safe: {checkpoint: tiny.safetensors, module: "tiny_codec:Tiny"}
"""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the tests train.

    Args:
        folder: Has tiny.ts, tiny.safetensors, tiny_codec.py and neural.yaml.
        model: The model that both checkpoints hold.
    """

    folder: Path
    model: tiny.Tiny

    @property
    def path(self) -> Path:
        return self.folder / "neural.yaml"

    @property
    def settings(self) -> Settings:
        return load_settings(self.path)


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders with models leave `sys.path`, which is sent to decode processes, with their test."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Trained:
    folder = tmp_path_factory.mktemp("neural")
    model = tiny.trained(shared_data / "esc10")
    torch.jit.script(model).save(folder / "tiny.ts")
    save_file(model.state_dict(), folder / "tiny.safetensors")
    shutil.copy(Path(tiny.__file__), folder / "tiny_codec.py")
    (folder / "neural.yaml").write_text(SETTINGS)
    return Trained(folder=folder, model=model)


@pytest.fixture
def named(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the checkpoints."""
    monkeypatch.setenv(VARIABLE, str(trained.path))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, trained: Trained, shared_data: Path) -> Store:
    """One second of six recordings, at another rate than the codec's."""
    folder = tmp_path_factory.mktemp("neural-store")
    with (shared_data / "esc10" / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::54]
    lines = [f"{shared_data}/esc10/{row['path']},{row['label']},{'evaluate' if n % 3 == 2 else 'train'}" for n, row in enumerate(rows)]
    (folder / "clips.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    options = {"rate": 24_000, "seconds": 1, "clips_per_shard": 2, "workers": 1}
    build(folder / "clips.csv", str(folder / "store"), conditions=parse_conditions(CONDITIONS), settings=trained.settings, **options)
    return Store.open(folder / "store")
