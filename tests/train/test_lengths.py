"""A run on clips of different lengths: an error, or crops of one length."""

import pytest
import torch

from streamaug.crop import Crop
from streamaug.testing import build_store, replace_tables, write_store
from tests.train.runs import config_of
from train.errors import RunError
from train.evaluate import probabilities_of
from train.preparing import prepare

RATE = 16_000


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("varied"), clips=96, seconds=(0.1, 4.0), rate=RATE, conditions="original")


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("draw: union\nmixture: {original: 1}\n")
    return path


@pytest.mark.parametrize("overrides", [(), ("crop={seconds: 3, pad: none}",)])
def test_clips_that_give_rows_of_different_lengths_are_refused(varied, recipe, tmp_path, overrides):
    with pytest.raises(RunError, match=r"clips have 0.10 to 4.00 s, but the models need one length; give the run a crop such as"):
        prepare(config_of(varied.url, recipe, tmp_path, *overrides))


@pytest.mark.parametrize("odd", ["train", "evaluate", "spare"])
def test_only_clips_that_are_trained_on_or_evaluated_need_one_length(odd, recipe, tmp_path):
    split = ["train"] * 80 + ["evaluate"] * 14 + ["spare"] * 2
    columns = {"clip_id": [f"c{n}" for n in range(96)], "label": [f"l{n % 2}" for n in range(96)], "split": split, "group": [None] * 96}
    store = write_store(tmp_path / "store", columns, {"original": None}, labels=("l0", "l1"))
    samples = [44_100 if number == split.index(odd) else 441_000 for number in range(96)]
    number = store.clips.schema.get_field_index("samples")
    store = replace_tables(store, clips=store.clips.set_column(number, store.clips.field(number), [samples]))
    config = config_of(store.url, recipe, tmp_path, "evaluate_on=evaluate")
    if odd == "spare":
        assert prepare(config).conditions == ("original",)
    else:
        with pytest.raises(RunError, match=r"clips have 1.00 to 10.00 s, but the models need one length"):
            prepare(config)


def test_a_crop_that_is_too_short_for_the_models_is_refused_with_the_length_they_need(varied, recipe, tmp_path):
    with pytest.raises(RunError, match=r"have 1.00 s, but the models need 2.94 s; give the run a 'crop' of 2.95 seconds or more"):
        prepare(config_of(varied.url, recipe, tmp_path, "crop={seconds: 1}"))


def test_a_run_is_trained_on_its_crops(varied, recipe, tmp_path):
    run = prepare(config_of(varied.url, recipe, tmp_path, "crop={seconds: 3, pad: repeat}"))
    assert run.config.crop == Crop(3.0, where="random", pad="repeat")
    batch = next(iter(run.stream()))
    assert batch["logmel"].shape == (64, 3, 128, 3 * RATE // 1024 + 1 - 8)
    assert set(batch["length"].tolist()) == {3 * RATE}


def test_random_crops_in_a_cache_are_refused_before_the_run_begins(varied, recipe, tmp_path):
    with pytest.raises(RunError, match="those of a random 'crop' are others in every epoch; remove 'cache', or write 'where: start'"):
        prepare(config_of(varied.url, recipe, tmp_path, "crop={seconds: 3}", f"cache={tmp_path / 'cache'}"))
    assert not (tmp_path / "run").exists()


def test_an_epoch_of_less_than_one_step_is_refused_in_the_words_of_a_run(tmp_path):
    (tmp_path / "recipe.yaml").write_text("title: few\ndraw: union\nmixture: {original: 0.1}\n")
    store = build_store(tmp_path / "few", clips=32, seconds=(1.0, 1.0), rate=RATE, conditions="original")
    config = config_of(store.url, tmp_path / "recipe.yaml", tmp_path, "log_mel={n_fft: 256, hop: 160, mels: 32}")
    with pytest.raises(RunError, match="recipe 'few': an epoch has 2 rows, fewer than one step of 64; add clips or conditions"):
        prepare(config)


def test_evaluation_takes_the_centre_of_a_random_crop(varied):
    class Loudest(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.place = torch.nn.Parameter(torch.zeros(1))

        def forward(self, features):
            return features[:, 0].mean(-1)[:, :2] + self.place

    def probabilities(where):
        return probabilities_of(Loudest(), varied, "original", "evaluate", crop=Crop(3, where=where))

    assert (probabilities("random") == probabilities("centre")).all()
    assert (probabilities("start") != probabilities("centre")).any()
    with pytest.raises(RunError, match="need one length"):
        probabilities_of(Loudest(), varied, "original", "evaluate")
