"""The small store of the streaming tests, in a folder as the programs of docs/trainers.md expect
it."""

from pathlib import Path

import pytest

from tests.integrations.programs import MODEL
from tests.streaming.conftest import recipe, store, store_path

__all__ = ["recipe", "store", "store_path"]


@pytest.fixture
def folder(store_path: Path, tmp_path: Path) -> Path:
    """A folder with a store, a recipe of 96 rows an epoch and a model."""
    (tmp_path / "store").symlink_to(store_path)
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path
