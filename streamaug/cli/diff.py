"""streamaug diff: what changes between two recipes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.errors import RecipeError

if TYPE_CHECKING:
    from streamaug.planning.ledger import Ledger

_EXAMPLES = 5


def diff(
    first: Annotated[Path, typer.Argument(help="Recipe, a YAML file.")],
    second: Annotated[Path, typer.Argument(help="Recipe to compare it with, a YAML file.")],
    store: Annotated[str | None, typer.Argument(help="Folder or URL of the store. Default: the stores that the recipe names.")] = None,
    split: Annotated[str, typer.Option(help="Split to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    evaluate: Annotated[
        str | None,
        typer.Option(help="Split that must not share clips or groups with training. Default: every split that is not trained on."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all shuffles.")] = 0,
    epoch: Annotated[int, typer.Option(min=0, help="Epoch to compare; the first is 0.")] = 0,
    by: Annotated[str | None, typer.Option(help="Column of the clips to count by. Default: label or labels, if there are any.")] = None,
    rows: Annotated[Path | None, typer.Option(help="File for all clips and conditions that change, .csv or .parquet.")] = None,
) -> None:
    """Print what changes from one recipe to another on a store: settings, counts, rows."""
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines, write_table
    from streamaug.planning.difference import changed_settings, compare
    from streamaug.planning.ledger import planned
    from streamaug.planning.open_plan import column_of, label_columns, open_plan
    from streamaug.planning.open_stores import open_stores
    from streamaug.recipes import load_recipe

    if by is not None and "," in by:
        raise RecipeError(f"--by '{by}': two recipes are compared by one column; use 'streamaug plan --by {by}' to count by several")
    recipes = [load_recipe(path) for path in (first, second)]
    if store is None and recipes[0].stores != recipes[1].stores:
        raise RecipeError(f"{first} and {second} name other stores, but two recipes are compared on the same; make 'stores' equal")
    opened = open_stores(recipes[0], store)
    one, other = (open_plan(each, open_stores(each, opened), split=split, seed=seed, evaluate=evaluate) for each in recipes)
    columns = {by: column_of(opened.clips, by)} if by is not None else label_columns(opened)
    difference = compare(one, other, epoch)

    stdout.print(f"- {one.recipe.title}: {one.epoch_size(epoch)} rows, plan {one.hash[:16]}")
    stdout.print(f"+ {other.recipe.title}: {other.epoch_size(epoch)} rows, plan {other.hash[:16]}")
    for plan in (one, other):
        if plan.recipe.allow_leakage:
            stdout.print(f"allow_leakage: true in {plan.recipe.title}", style="bold red")
    for line in changed_settings(one.recipe, other.recipe):
        stdout.print(f"  {line}")
    print_lines(_counts(difference.conditions, planned(one, columns, [epoch]), planned(other, columns, [epoch])))
    stdout.print(
        f"epoch {epoch}: clips in a condition: {difference.common} in both, {difference.removed} removed, {difference.added} added"
    )
    stdout.print(f"{difference.unmoved} rows are at the same position in both")
    names = opened.clips["clip_id"].take(difference.clip).to_pylist()
    changes = [
        f"{before} -> {after}  {difference.conditions[condition]}  {name}"
        for condition, name, before, after in zip(difference.condition, names, difference.before, difference.after, strict=True)
    ]
    for line in changes[:_EXAMPLES]:
        stdout.print(f"  {line}")
    if len(changes) > _EXAMPLES:
        stdout.print(f"  and {len(changes) - _EXAMPLES} more; use --rows FILE.csv to write all of them")
    if rows is not None:
        import pyarrow as pa

        from streamaug.store.targets import target_columns

        names_of_conditions = [difference.conditions[condition] for condition in difference.condition]
        learned = {name: opened.clips[name].take(difference.clip) for name in target_columns(opened.manifest.target)}
        columns_out = {
            "condition": names_of_conditions,
            "clip_id": names,
            **learned,
            "before": difference.before,
            "after": difference.after,
        }
        write_table(rows, pa.table(columns_out))
        stdout.print(f"wrote {rows}")


def _counts(conditions: tuple[str, ...], one: "Ledger", other: "Ledger") -> list[list[str]]:
    """Lines of the table: for each condition and value, its counts before and after."""
    values = one.values[1] if len(one.values) > 1 else ()

    def count(ledger: "Ledger", condition: str, value: int | None) -> int:
        if condition not in ledger.values[0]:
            return 0
        number = ledger.values[0].index(condition)
        return int(ledger.condition_rows[number] if value is None else ledger.counts[number][value])

    def cell(condition: str, value: int | None) -> str:
        before, after = count(one, condition, value), count(other, condition, value)
        return str(before) if before == after else f"{before} -> {after}"

    used = [number for number in range(len(values)) if one.counts[:, number].any() or other.counts[:, number].any()]
    lines = [["condition", *(values[number] or "-" for number in used), "rows"]]
    lines += [[name, *(cell(name, number) for number in used), cell(name, None)] for name in conditions]
    return lines
