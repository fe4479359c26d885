"""Several stores have the rate and the channels of those that are used."""

from pathlib import Path

import pytest

from streamaug.crop import Crop
from streamaug.errors import StoreError
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store.catalogue import Catalogue
from streamaug.store.rates import clip_lengths, clip_rates, common_channels, common_rate
from streamaug.store.writing import write_manifest
from streamaug.streaming import Stream
from tests.planning.several_stores import scenes, sounds

BOTH = ["esc:original", "tau:mp3_64"]


def catalogue(folder: Path, **changes: int) -> Catalogue:
    """Two stores, of which `esc` has another rate or other channels."""
    one, other = scenes(folder / "tau"), sounds(folder / "esc")
    if changes:
        write_manifest(other.folder, other.manifest.changed(**changes))
    return Catalogue.open({"tau": one, "esc": other.reopen()})


def test_stores_of_different_rates_have_none_in_common_and_both_are_named(tmp_path: Path) -> None:
    mixed = catalogue(tmp_path, rate=11_025)
    assert clip_rates(mixed).tolist() == [11_025] * 20 + [44_100] * 32
    assert clip_lengths(mixed, BOTH).tolist() == [4 * 441_000] * 20 + [441_000] * 32
    with pytest.raises(
        StoreError, match=r"store 'esc' has 11025 Hz and store 'tau' has 44100 Hz, .* resample both with Stream\(rate=\.\.\.\)"
    ):
        common_rate(mixed, BOTH)


def test_stores_of_one_rate_have_it_in_common(tmp_path: Path) -> None:
    same = catalogue(tmp_path)
    assert common_rate(same, BOTH) == 44_100
    assert set(clip_rates(same).tolist()) == {44_100}
    assert clip_lengths(same, BOTH).tolist() == same.clips["samples"].to_pylist()


def test_lengths_are_at_the_highest_rate_that_is_used(tmp_path: Path) -> None:
    assert clip_lengths(catalogue(tmp_path, rate=11_025), ["esc:original"]).tolist() == [441_000] * 20 + [441_000 // 4] * 32


@pytest.mark.parametrize("changes", [{"rate": 11_025}, {"channels": 2}])
def test_a_store_that_the_mixture_leaves_out_may_have_another_rate_or_other_channels(tmp_path: Path, changes: dict[str, int]) -> None:
    mixed = catalogue(tmp_path, **changes)
    recipe = load_recipe({"draw": "union", "mixture": {"tau:original": 1}})
    for stream in (Stream(recipe, mixed, batch_size=4, crop=Crop(1)), Stream.evaluation(mixed, "tau:original", rank=0, world=1)):
        assert stream.batches(0) > 0
    assert (common_rate(mixed, ["tau:original"]), common_channels(mixed, ["tau:original"])) == (44_100, 1)


def test_stores_of_one_plan_have_one_number_of_channels(tmp_path: Path) -> None:
    mixed = catalogue(tmp_path, channels=2)
    recipe = load_recipe({"draw": "union", "mixture": dict.fromkeys(BOTH, 1), "allow_leakage": True})
    with pytest.raises(
        StoreError, match=r"the clips of store 'esc' have 2 channels and those of store 'tau' one channel, .* --channels mono"
    ):
        open_plan(recipe, mixed)
