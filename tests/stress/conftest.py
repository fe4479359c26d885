"""Stores and a card for the tests of models and cards."""

from pathlib import Path

import pytest

from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.stress.card import write_card
from streamaug.stress.card_file import Card
from tests.building.kinds import build_kind
from tests.stress.made import settings_of, store_predictions

HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture(scope="session")
def store(kinds: dict[str | None, Path]) -> Store:
    """24 clips of three labels in two conditions, six of them to evaluate."""
    return Store.open(kinds["label"])


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """24 clips of three labels in two codecs and a chain."""
    return Store.open(build_kind(tmp_path_factory.mktemp("coded"), "label", "original,aac_32,mp3_32,mp3_64,mp3_32+aac_32"))


@pytest.fixture(scope="session")
def written(coded: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card]:
    """The folder of a card, and the card, of a model with a hostile name that was trained on mp3_64."""
    folder = tmp_path_factory.mktemp("card")
    recipe = load_recipe({"draw": "union", "mixture": {"original": 1, "mp3_64": 1}, "title": "two"})
    settings = settings_of(HOSTILE, "kinds", coded.manifest.labels)
    return folder, write_card(folder, store_predictions(coded, 0), coded, settings, recipe=recipe)
