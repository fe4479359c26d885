"""streamaug plan: the content and cost of an epoch, before it is trained on."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamaug.cli.json_output import AsJson, print_json
from streamaug.condition_names import split_store
from streamaug.errors import RecipeError

if TYPE_CHECKING:
    from streamaug.planning import Plan
    from streamaug.planning.costs import EpochCost
    from streamaug.planning.ledger import Ledger
    from streamaug.planning.padding import Padding


def plan(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    store: Annotated[str | None, typer.Argument(help="Folder or URL of the store. Default: the stores that the recipe names.")] = None,
    split: Annotated[str, typer.Option(help="Split to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    evaluate: Annotated[
        str | None,
        typer.Option(help="Split that must not share clips or groups with training. Default: every split that is not trained on."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all shuffles.")] = 0,
    epoch: Annotated[int, typer.Option(min=0, help="Epoch to count; the first is 0.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of epochs to count together, from epoch 0.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Columns of the clips to count by, separated by commas. Default: those of 'weights', or label or labels, if any."
        ),
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="File for the ledger, .csv or .parquet.")] = None,
    rows: Annotated[Path | None, typer.Option(help="File for all rows, .parquet; one line per view.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="File for a picture of the first epoch and of the shares in all counted ones, .png or .svg.")
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Also decode some rows for some seconds, and print what an epoch takes: requests, core hours, money."
        ),
    ] = False,
    clips: Annotated[
        int | None, typer.Option(min=1, help="With --estimate: number of clips to extrapolate to. Default: those of the store.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="With --estimate: YAML file of prices. Default: public list prices.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a recipe gives on a store: rows by condition and label, hash, costs."""
    import numpy as np

    from streamaug.cli.console import stdout
    from streamaug.cli.tables import write_picture, write_rows, write_table
    from streamaug.planning.costs import estimate as estimate_cost
    from streamaug.planning.ledger import planned
    from streamaug.planning.open_plan import column_of, label_columns, open_plan
    from streamaug.planning.open_stores import open_stores
    from streamaug.planning.padding import measure_padding
    from streamaug.planning.prices import PUBLIC_PRICES, load_prices
    from streamaug.recipes import load_recipe
    from streamaug.store.catalogue import Catalogue

    if epochs is not None and epoch:
        raise RecipeError("--epoch counts one epoch and --epochs counts several from epoch 0; use one of them")
    if not estimate and (clips is not None or prices is not None):
        raise RecipeError("--clips and --prices belong to --estimate; add it")
    listed = load_prices(prices or PUBLIC_PRICES)
    counted = range(epochs) if epochs is not None else range(epoch, epoch + 1)
    loaded = load_recipe(recipe)
    opened = open_stores(loaded, store)
    opened_plan = open_plan(loaded, opened, split=split, seed=seed, evaluate=evaluate)
    by = by or ",".join(each.column for each in loaded.weights)
    names = dict.fromkeys([*(["store"] if isinstance(opened, Catalogue) else []), *(by.split(",") if by else label_columns(opened))])
    columns = {name: column_of(opened.clips, name) for name in names}
    counts = planned(opened_plan, columns, counted)
    bitstreams = [opened.locations(condition) for condition in opened_plan.conditions]
    costs = estimate_cost(opened_plan, opened, bitstreams, counted)
    padding = None if loaded.bucket is None else measure_padding(opened_plan, counted.start)
    written = [str(path) for path in (ledger, rows, picture) if path is not None]
    if not as_json:
        show(opened_plan, counts, costs, counted, padding)
    estimated = None
    if estimate:
        from streamaug.cli.estimate import describe_estimate, measured_estimate, show_estimate
        from streamaug.planning.estimate import bill

        first = estimate_cost(opened_plan, opened, bitstreams, counted[:1])
        measured = measured_estimate(opened_plan, opened, bitstreams, counted.start, first, clips, evaluate)
        estimated = describe_estimate(measured, listed, bill(measured, listed))
        if not as_json:
            show_estimate(measured, listed, bill(measured, listed), counted.start)
    if ledger is not None:
        write_table(ledger, counts.table())
    if rows is not None:
        write_rows(rows, opened_plan, opened, bitstreams, counted)
    if picture is not None:
        from streamaug.planning.picture import picture_of

        shards = opened.clips["shard"].to_numpy()
        write_picture(picture, picture_of(opened_plan, counted, np.argsort(np.argsort(shards, kind="stable")) / len(shards)))
    if as_json:
        print_json("plan", {**describe(opened_plan, counts, costs, counted, padding), "estimate": estimated, "written": written})
    else:
        for path in written:
            stdout.print(f"wrote {path}")


def describe(plan: "Plan", ledger: "Ledger", costs: "EpochCost", epochs: range, padding: "Padding | None") -> dict[str, Any]:
    """A plan as `--json` prints it; arguments as for `show`."""
    return {
        "plan": plan.hash,
        "recipe": plan.recipe.plain(),
        "recipe_hash": plan.recipe.hash,
        "split": plan.inventory.split,
        "seed": plan.seed,
        "epochs": list(epochs),
        "views": plan.views,
        "rows": sum(plan.epoch_size(epoch) for epoch in epochs),
        "conditions": [
            {"condition": name, "rows": rows} for name, rows in zip(plan.conditions, ledger.condition_rows.tolist(), strict=True)
        ],
        "columns": ledger.columns[1:],
        "ledger": ledger.table().to_pylist(),
        "padding": None if padding is None else asdict(padding),
        "costs": asdict(costs),
    }


def show(plan: "Plan", ledger: "Ledger", costs: "EpochCost", epochs: range, padding: "Padding | None" = None) -> None:
    """Print a plan: settings, ledger, costs.

    Args:
        plan: The plan.
        ledger: Counts of its rows.
        costs: Costs of the epochs.
        epochs: Numbers of the epochs.
        padding: Padding of the first of them, with buckets.
    """
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines

    when = f"epoch {epochs.start}" if len(epochs) == 1 else f"epochs {epochs.start} to {epochs.stop - 1}"
    count = sum(plan.epoch_size(epoch) for epoch in epochs)
    recipe = plan.recipe
    order = ["full shuffle" if recipe.window is None else f"windows of {recipe.window} shards"]
    order = [f"buckets of {recipe.bucket.rows} rows in batches of {recipe.bucket.batch}"] if recipe.bucket else order
    order += [f"batches of {recipe.stratify} stratified"] if recipe.stratify else []
    order += [f"weights by {each.column}{': equal' if each.equal else ''}" for each in recipe.weights]
    order += [f"balanced by {', '.join(recipe.balance)}"] if recipe.balance else []
    stdout.print(recipe.title, style="bold")
    stdout.print(f"draw {recipe.draw}, {', '.join(order)}; split {plan.inventory.split}, seed {plan.seed}")
    stdout.print(f"plan {plan.hash}")
    stdout.print(f"{when}: {count} rows{f' of {plan.views} views' if plan.views > 1 else ''}")
    if recipe.allow_leakage:
        stdout.print("allow_leakage: true - clips or groups may be on both sides of training and evaluation", style="bold red")
    print_lines(ledger_lines(ledger))
    if ledger.rows is not None:
        stdout.print("a row counts under each of its labels, so the counts of a condition may add up to more than its rows")
    if padding is not None:
        stdout.print(_padding_line(padding, epochs.start))
    stdout.print(
        f"{costs.seconds / 3600:.1f} h of audio, {costs.read_bytes / 1e6:.1f} MB to read in {costs.requests} requests; "
        f"caches take {costs.bitstreams / 1e6:.1f} MB for bitstreams, {costs.features / 1e6:.1f} MB for features",
    )


def _padding_line(padding: "Padding", epoch: int) -> str:
    """How much padding the batches of an epoch have, with buckets and without."""
    which = "" if padding.whole else f"the first {padding.rows} rows of "
    shuffled, bucketed = (f"{each / (padding.samples + each):.1%}" for each in (padding.shuffled, padding.bucketed))
    return f"padding in {which}epoch {epoch}: {bucketed} of the samples, and {shuffled} in a full shuffle"


def ledger_lines(ledger: "Ledger") -> list[list[str]]:
    """A ledger as lines of text: conditions by one column or none, with several stores after the
    store; or one line per combination."""
    if len(ledger.columns) == 3 and ledger.columns[1] == "store":
        lines = ledger_lines(ledger.by("condition", ledger.columns[2]))
        return [["store", *lines[0]], *([split_store(line[0])[0], *line] for line in lines[1:])]
    if len(ledger.columns) > 2:
        table = ledger.table()
        return [table.column_names, *([str(value) for value in line.values()] for line in table.to_pylist())]
    conditions, *columns = ledger.values
    values = columns[0] if columns else ()
    used = [number for number in range(len(values)) if ledger.counts[:, number].any()]
    lines = [["condition", *(values[number] or "-" for number in used), "rows"]]
    for condition, counts, rows in zip(conditions, ledger.counts, ledger.condition_rows.tolist(), strict=True):
        lines.append([condition, *(str(counts[number]) for number in used), str(rows)])
    lines.append(["all", *(str(ledger.counts[:, number].sum()) for number in used), str(ledger.total)])
    return lines
