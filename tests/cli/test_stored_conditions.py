"""Commands that read a store take lists of conditions by name."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.cli.console import notes
from streamaug.cli.main import app
from streamaug.cli.stored_conditions import stored_conditions
from streamaug.conditions import parse_conditions
from streamaug.errors import ConditionError, StoreError
from streamaug.store import Store
from streamaug.testing import write_store
from tests.building.clips import write_clips
from tests.in_process import InProcess


def tables(folder: Path, *conditions: str) -> Store:
    """A store without audio, which is enough where only names count."""
    clips = {"clip_id": ["a", "b"], "split": ["evaluate"] * 2, "group": ["a", "b"], "label": ["x", "y"]}
    return write_store(folder, clips, dict.fromkeys(conditions), labels=["x", "y"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tables(tmp_path / "store", "original", "mp3_64", "aac_32")


def test_of_a_preset_what_the_store_lacks_is_noted_and_what_is_named_stays(store: Store) -> None:
    notes.clear()
    assert stored_conditions(None, store) is None
    chosen = stored_conditions("@paper,sbc_64+mp3_64", store)
    assert set(chosen or ()) == set(parse_conditions("original,mp3_64,aac_32,sbc_64+mp3_64"))
    assert len(notes) == 1
    assert notes[0].startswith("left out, since the store lacks them: ")
    assert "opus_32" in notes[0]


def test_a_preset_without_a_condition_of_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    other = tables(tmp_path / "other", "noise")
    with pytest.raises(StoreError, match=r"has no condition of '@paper'; 'streamaug build CLIPS.csv .* --conditions @paper' adds them"):
        stored_conditions("@paper", other)
    with pytest.raises(ConditionError, match=r"no preset '@papr'\. Did you mean '@paper'"):
        stored_conditions("@papr", store)


def test_the_commands_take_a_list(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    build(write_clips(tmp_path, 2, seconds=1, rate=48_000), url, conditions=parse_conditions("original,mp3_64"), executor=InProcess())
    for command in (["verify", url], ["quality", url, "--sample", "1", "--output", str(tmp_path / "quality")]):
        done = CliRunner().invoke(app, [*command, "--conditions", "@paper"])
        assert done.exit_code == 0, done.stderr
        assert "left out, since the store lacks them: aac_32, aac_48, aac_64" in done.stderr
