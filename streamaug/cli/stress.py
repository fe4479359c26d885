"""streamaug stress: what codecs do to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamaug.cli.crop_options import Padding, Seconds, crop_of
from streamaug.cli.json_output import AsJson, print_json

if TYPE_CHECKING:
    from streamaug.stress.card_file import Card


def stress(
    model: Annotated[
        str,
        typer.Argument(
            help="Model: package.module:name; a file of torch.export (.pt2), TorchScript (.pt) or ONNX (.onnx); or one that --class opens."
        ),
    ],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    out: Annotated[Path, typer.Option(help="Folder for the card. A stopped run in it is resumed.")],
    opener: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="PACKAGE.MODULE:NAME",
            help="What opens the file MODEL: a LightningModule's class, or a function that takes the path and gives the model.",
        ),
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated conditions or @lists, besides the original; on links such as alaw_64~wifi@1 or alaw_64~loss10, which "
            "--recipe defines. Default: all that have every clip of the split."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Clips to evaluate: evaluate, or a choice on a column such as fold=1,2.")] = "evaluate",
    features: Annotated[
        str,
        typer.Option(help="What the model gets: waveform, logmel, static, one of a plug-in, or package.module:name of your own."),
    ] = "waveform",
    rate: Annotated[int | None, typer.Option(min=1, help="Sample rate in Hz to resample clips to. Default: the store's.")] = None,
    crop: Seconds = None,
    where: Annotated[
        Literal["start", "centre"] | None, typer.Option(help="Place of the crop in the clip: start or centre. Default: centre.")
    ] = None,
    pad: Padding = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAMES",
            help="The model's classes in the order of its scores: a file with one per line, or names separated by commas. "
            "Default: what the model calls them itself, or else the store's labels.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips that the model gets together.")] = 32,
    device: Annotated[
        str | None, typer.Option(help="Where the model computes, such as cpu or cuda:1. Default: a GPU if there is one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of decode processes. Default: one per core.")] = None,
    name: Annotated[str | None, typer.Option(help="What the card calls the model. Default: MODEL, of a file without its folder.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="Recipe that the model was trained on, a YAML file: the card says what was seen in training, and --conditions may name "
            "its links. Default: unknown."
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Folder of a training run that left codecs out, for the gaps of unseen codecs; may be repeated."),
    ] = None,
    drop: Annotated[
        float, typer.Option(min=0.1, max=99, help="Loss in % of the value on the original that the breaking bitrate allows.")
    ] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Write the robustness card of a model: what codecs do to it, from its answers for every clip of
    a split in every condition.

    It gets float32 batches of shape (clips, samples), or (clips, ...) of a feature, and gives scores
    of shape (clips, labels): logits or probabilities. Under torchrun the ranks share the conditions.
    """
    from streamaug.cli.console import ProgressBar, note, stdout
    from streamaug.cli.stored_conditions import stored_conditions
    from streamaug.cli.tables import print_lines
    from streamaug.machine import cores_per_rank
    from streamaug.progress import Silent
    from streamaug.recipes import load_recipe
    from streamaug.store import Store
    from streamaug.streaming.forking import start_server

    taken = crop_of(crop, where, pad, default="centre")
    trained = None if recipe is None else load_recipe(recipe)
    opened = Store.open(store)
    chosen = stored_conditions(conditions, opened, links=True)
    if workers or cores_per_rank() > 1:
        start_server()  # it imports torch on another core, while this process does

    from streamaug.stress.card import CARD_PAGE, write_card
    from streamaug.stress.card_file import CARD_FILE
    from streamaug.stress.columns import read_labels
    from streamaug.stress.models import open_model
    from streamaug.stress.predictions import PREDICTIONS_FILE
    from streamaug.stress.ranks import open_ranks
    from streamaug.stress.run import prepare, run_all

    classes = None if labels is None else read_labels(labels)
    with open_ranks() as ranks, ProgressBar() as bar:
        run = prepare(
            open_model(model, opener=opener, device=device, name=name),
            opened,
            conditions=None if chosen is None else [str(condition) for condition in chosen],
            links=None if trained is None else trained.links,
            split=split,
            features=features,
            rate=rate,
            crop=taken,
            labels=classes,
            batch_size=batch_size,
            workers=workers,
        )
        for condition, count in run.conditions.skipped.items():
            if not ranks.rank:
                note(f"left out: {condition}, which has {count} of the {len(run.evaluation.clips)} clips of split '{split}'")
        predictions = run_all(run, out, ranks=ranks, progress=Silent() if ranks.rank else bar)
    if predictions is None:  # another rank has all of them
        return
    card = write_card(out, predictions, opened, run.settings, drop=drop / 100, recipe=trained, links=run.links, runs=runs or ())
    written = [str(out / file) for file in (CARD_PAGE, CARD_FILE, PREDICTIONS_FILE)]
    if as_json:
        print_json("stress", {**card.model_dump(mode="json"), "written": written})
        return
    print_lines(condition_lines(card))
    stdout.print(card.headline)
    stdout.print(f"written: {', '.join(written)}")


def condition_lines(card: "Card") -> list[list[str]]:
    """A line for each condition: the metric, its interval, and what coding changes."""
    from streamaug.stress.number_texts import interval_text, number_text, signed_interval_text, signed_text

    lines = [["condition", card.metric, "95 % interval", "change", "95 % interval of the change"]]
    for number, each in enumerate(card.conditions):
        changes = [signed_text(each.difference), signed_interval_text(each.difference_low, each.difference_high)]
        lines.append([each.condition, number_text(each.value), interval_text(each.low, each.high), *(changes if number else ["", ""])])
    return lines
