"""A model is trained on links that lose packets, and its accuracy is listed by the share of loss."""

import numpy as np
import pyarrow.compute as pc
import pytest

from streamaug.links import open_links
from streamaug.testing import build_store
from tests.train.answers import predictions
from tests.train.runs import config_of
from train.checkpoint import load_model
from train.errors import RunError
from train.evaluate import probabilities_of
from train.paper.losses import loss_figure, loss_table, parts_of
from train.paper.tables import Row
from train.preparing import prepare
from train.run import run_training

LINKS = {"loss10": {"loss": 0.1}, "loss5": {"loss": 0.05}, "bursts5": {"loss": 0.05, "burst": 3}}
ROWS = [
    Row(name="original", title="", conditions=("original",), clips=1, steps=1),
    Row(name="calls", title="", conditions=("original", "alaw_64"), clips=1, steps=1),
    Row(name="calls_loss10", title="", conditions=("original", "alaw_64~loss10"), clips=1, steps=1),
]


def test_a_mixture_with_links_is_trained_without_the_cache_and_evaluated_with_it(tmp_path):
    store = build_store(tmp_path / "digits", clips=48, conditions="original,alaw_64")
    recipe = tmp_path / "lossy.yaml"
    recipe.write_text("title: lossy\ndraw: union\nmixture: {original: 1, alaw_64~loss: 1}\nlinks: {loss: {loss: 0.3}}\n")
    config = config_of(
        store.url,
        recipe,
        tmp_path,
        "crop={seconds: 1, where: centre, pad: repeat}",
        "log_mel={n_fft: 512, hop: 128, mels: 64}",
        "conditions=[original, alaw_64~loss]",
        f"cache={tmp_path / 'features'}",
    )
    run = prepare(config)
    assert run.stream().cached == {}
    saved = run_training(config, row="lossy", quiet=True)
    assert any((tmp_path / "features").iterdir())
    model, _ = load_model(config.run / "model.safetensors")
    again = probabilities_of(
        model, store, "alaw_64~loss", "evaluate", features=config.log_mel.feature, crop=config.crop, links=run.recipe.links
    )
    lossy = saved.filter(pc.equal(saved["condition"], "alaw_64~loss"))["probabilities"].to_pylist()
    assert np.allclose(again, lossy, atol=2e-5)  # the cache has float16
    assert not np.allclose(lossy, saved.filter(pc.equal(saved["condition"], "original"))["probabilities"].to_pylist(), atol=1e-4)


def answers(by_condition):
    """Predictions of the three rows, the same for two seeds, where not given wrong."""
    return predictions(
        {(row.name, seed, condition): hits[row.name] for row in ROWS for seed in (0, 1) for condition, hits in by_condition.items()}
    )


def test_accuracies_are_means_over_codecs_seen_and_left_out():
    known = {"original": [0, 0, 0, 0], "calls": [1, 0, 0, 0], "calls_loss10": [1, 1, 0, 0]}
    worse = {"original": [0, 0, 0, 0], "calls": [0, 0, 0, 0], "calls_loss10": [1, 1, 1, 1]}
    table = answers(
        {
            "original": known,
            "alaw_64": known,
            "alaw_64~loss5": worse,
            "lc3_16": worse,
            "lc3_16~loss5": known,
            "lc3_16~bursts5": known,
            "alaw_64~bursts5": worse,
            "opus-voip_12": known,
            "opus-voip_12~loss5": known,
            "opus-voip_12~bursts5": worse,
        }
    )
    parts = parts_of(table, ROWS, open_links(LINKS))
    assert list(parts) == ["codecs in training: alaw_64", "codecs left out: lc3_16, opus-voip_12"]
    seen, left_out = map(loss_table, parts.values())
    assert seen.rows == [
        ["no loss", "0.000", "0.250", "0.500", "+0.250 [+0.000, +0.500]"],
        ["independent, 5 %", "0.000", "0.000", "1.000", "+1.000 [+1.000, +1.000] *"],
        ["bursts, 5 %", "0.000", "0.000", "1.000", "+1.000 [+1.000, +1.000] *"],
    ]
    assert [row[1:4] for row in left_out.rows] == [["0.000", "0.125", "0.750"], ["0.000", "0.250", "0.500"], ["0.000", "0.125", "0.750"]]
    assert loss_figure(parts, 0.1).startswith(b"\x89PNG")


def test_a_link_that_the_recipe_lacks_is_named():
    same = {row.name: [1, 0] for row in ROWS}
    with pytest.raises(RunError, match="link 'loss7' is not in the experiment's recipe"):
        parts_of(answers({"alaw_64": same, "alaw_64~loss7": same}), ROWS, open_links(LINKS))
