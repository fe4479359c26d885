"""streamaug stream and warm, as a user types them; the same figures in Python and TensorBoard."""

import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.errors import CorruptError, StreamaugError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream, log_metrics
from tests.servers import nginx
from tests.streaming.conftest import write_recipe
from tests.streaming.test_faults import flip


def streamaug(*arguments: object) -> str:
    """What a command prints. Raises what it raises."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def cells(told: str, name: str) -> list[str]:
    """A table's line that begins with a name."""
    return next([cell.strip() for cell in line.strip("│ \n").split("│")] for line in told.splitlines() if line.strip("│ ").startswith(name))


@pytest.mark.usefixtures("recipe")
def test_stream_runs_an_epoch_and_tells_planned_against_served(store_path: Path, tmp_path: Path) -> None:
    told = streamaug("stream", tmp_path / "recipe.yaml", store_path, "--batch-size", 10)
    assert cells(told, "mp3_64") == ["mp3_64", "32", "32", "0", "4 of 4"]
    assert cells(told, "all") == ["all", "96", "96", "0"]
    assert cells(told, "decode opus_32")[1] == "32 clips"
    assert cells(told, "batches")[1] == "96 of 96 clips"
    assert cells(told, "batches")[3] in ("bottleneck: decode", "bottleneck: fetch", "bottleneck: training loop")


def test_stream_takes_the_batches_that_the_recipe_is_made_for(store_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "even.yaml"
    path.write_text("title: even\ndraw: union\nstratify: 12\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    assert cells(streamaug("stream", path, store_path), "all") == ["all", "96", "96", "0"]


@pytest.mark.usefixtures("recipe")
def test_stream_says_what_stood_in_for_broken_clips(store_path: Path, tmp_path: Path) -> None:
    shutil.copytree(store_path, tmp_path / "copy")
    flip(tmp_path / "copy", "mp3_64", "clip07")
    with pytest.raises(CorruptError, match="clip07"):
        streamaug("stream", tmp_path / "recipe.yaml", tmp_path / "copy")
    told = streamaug("stream", tmp_path / "recipe.yaml", tmp_path / "copy", "--replace")
    assert cells(told, "mp3_64") == ["mp3_64", "32", "32", "1", "4 of 4"]


def test_warm_fills_the_cache_with_all_that_a_recipe_may_draw(store_path: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path / "one.yaml", "draw: one-per-clip\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    (tmp_path / "nginx").mkdir()
    with nginx(store_path, tmp_path / "nginx") as url:
        told = streamaug("warm", tmp_path / "one.yaml", url, "--cache", tmp_path / "cache")
        assert "the features of 96 of 96 clips" in told
        assert "the bitstreams of 96 of 96 clips" in told
        told = streamaug("stream", tmp_path / "one.yaml", url, "--cache", tmp_path / "cache", "--epochs", 2)
        assert cells(told, "from the cache")[1] == "64 clips"
        assert cells(told, "fetch")[1] == "0.0 MB in 0 reads"
        told = streamaug("stream", tmp_path / "one.yaml", url, "--cache", tmp_path / "cache", "--features", "waveform")
        assert cells(told, "fetch")[1] == "0.0 MB in 0 reads"


@pytest.mark.usefixtures("recipe")
def test_warm_says_when_the_cache_is_too_small(store_path: Path, tmp_path: Path) -> None:
    told = streamaug("warm", tmp_path / "recipe.yaml", store_path, "--cache", tmp_path / "cache", "--cache-gb", 0.0002)
    assert "increase --cache-gb (0.0002 is too small)" in told
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 200_000


def test_the_figures_reach_tensorboard(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    stream = Stream(recipe, store, batch_size=16)
    with SummaryWriter(str(tmp_path)) as writer:
        for step, _ in enumerate(stream):
            log_metrics(stream.metrics, writer, step)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert len(events.Scalars("stream/clips_per_second")) == 6
    assert events.Scalars("stream/decode_milliseconds/mp3_64")[-1].value > 0
    assert stream.metrics.clips == 96


def test_stream_and_warm_take_crops(varied: Store, tmp_path: Path) -> None:
    recipe = tmp_path / "varied.yaml"
    recipe.write_text("draw: union\nmixture: {original: 1, mp3_24: 1}\n")
    told = streamaug("stream", recipe, varied.url, "--crop", 1.5, "--pad", "repeat")
    assert cells(told, "batches")[1] == "36 of 36 clips"
    cached = (recipe, varied.url, "--cache", tmp_path / "cache", "--crop", 1.5, "--pad", "repeat")
    told = streamaug("warm", *cached, "--where", "centre")
    assert "features of 36 of 36 clips" in told
    told = streamaug("stream", *cached, "--features", "static", "--where", "centre")
    assert cells(told, "from the cache")[1] == "36 clips"
    with pytest.raises(StreamaugError, match="add --crop SECONDS"):
        streamaug("stream", recipe, varied.url, "--where", "start")
    with pytest.raises(StreamaugError, match="--crop -1: write a length in seconds above 0"):
        streamaug("stream", recipe, varied.url, "--crop", -1)


@pytest.mark.parametrize("command", ["stream", "warm"])
@pytest.mark.parametrize("where", [(), ("--where", "random")])
def test_commands_take_the_same_crops_and_refuse_to_cache_a_random_one_in_their_own_words(
    varied: Store, tmp_path: Path, command: str, where: tuple[str, ...]
) -> None:
    (tmp_path / "varied.yaml").write_text("draw: union\nmixture: {original: 1}\n")
    with pytest.raises(StreamaugError) as caught:
        streamaug(command, tmp_path / "varied.yaml", varied.url, "--cache", tmp_path / "cache", "--crop", 1.5, *where)
    assert str(caught.value) == (
        "--cache keeps features, and those of a random crop are others in every epoch; add --where start or --where centre, "
        "in all commands that share the cache"
    )
