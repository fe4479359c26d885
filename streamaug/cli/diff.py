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
    second: Annotated[Path, typer.Argument(help="The recipe to compare it with.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    split: Annotated[str, typer.Option(help="Clips to draw from: train, or a choice on a column such as fold=1,2.")] = "train",
    evaluate: Annotated[str | None, typer.Option(help="Clips that none may be shared with; as for 'streamaug plan'.")] = None,
    seed: Annotated[int, typer.Option(help="Of all shuffles.")] = 0,
    epoch: Annotated[int, typer.Option(min=0, help="Epoch to compare, the first is 0.")] = 0,
    by: Annotated[str, typer.Option(help="Column of the clips to count by.")] = "label",
    rows: Annotated[Path | None, typer.Option(help="Write every clip and condition that changes to this .csv or .parquet file.")] = None,
) -> None:
    """Print what changes from one recipe to another on a store: settings, counts, rows."""
    from rich.markup import escape

    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines, write_table
    from streamaug.planning.difference import changed_settings, compare
    from streamaug.planning.ledger import planned
    from streamaug.planning.open_plan import coded, open_plan
    from streamaug.recipes import load_recipe
    from streamaug.store import Store

    if "," in by:
        raise RecipeError(f"--by '{by}': two recipes are compared by one column; 'streamaug plan --by {by}' counts by several")
    opened = Store.open(store)
    one, other = (open_plan(load_recipe(path), opened, split=split, seed=seed, evaluate=evaluate) for path in (first, second))
    columns = {by: coded(opened.clips, by)}
    found = compare(one, other, epoch)

    def say(text: str) -> None:
        stdout.print(text, highlight=False)

    say(f"[bold]-[/] {escape(one.recipe.title)}: {one.epoch_size(epoch)} rows, plan {one.hash[:16]}")
    say(f"[bold]+[/] {escape(other.recipe.title)}: {other.epoch_size(epoch)} rows, plan {other.hash[:16]}")
    for plan in (one, other):
        if plan.recipe.allow_leakage:
            say(f"[bold red]allow_leakage: true[/] in {escape(plan.recipe.title)}")
    for line in changed_settings(one.recipe, other.recipe):
        say(f"  {escape(line)}")
    print_lines(_counts(found.conditions, planned(one, columns, [epoch]), planned(other, columns, [epoch])))
    say(f"epoch {epoch}: {found.kept} showings of a clip in a condition are in both, {found.gone} go, {found.come} come")
    say(f"{found.in_place} rows stand at the same position in both")
    names = opened.clips["clip_id"].take(found.clip).to_pylist()
    told = [
        f"{before} -> {after}  {found.conditions[condition]}  {name}"
        for condition, name, before, after in zip(found.condition, names, found.before, found.after, strict=True)
    ]
    for line in told[:_EXAMPLES]:
        say(f"  {escape(line)}")
    if len(told) > _EXAMPLES:
        say(f"  and {len(told) - _EXAMPLES} more; --rows FILE.csv writes them all")
    if rows is not None:
        import pyarrow as pa

        shown = [found.conditions[condition] for condition in found.condition]
        labels = opened.clips["label"].take(found.clip).combine_chunks()
        columns_out = {"condition": shown, "clip_id": names, "label": labels, "before": found.before, "after": found.after}
        write_table(rows, pa.table(columns_out))
        say(f"wrote {rows}")


def _counts(conditions: tuple[str, ...], one: "Ledger", other: "Ledger") -> list[list[str]]:
    """Lines of the table: for each condition and value, the count, or what it was and what it becomes."""
    values = one.values[1]

    def count(ledger: "Ledger", condition: str, place: int | None) -> int:
        if condition not in ledger.values[0]:
            return 0
        counts = ledger.counts[ledger.values[0].index(condition)]
        return int(counts.sum() if place is None else counts[place])

    def told(condition: str, place: int | None) -> str:
        before, after = count(one, condition, place), count(other, condition, place)
        return str(before) if before == after else f"{before} -> {after}"

    used = [place for place in range(len(values)) if one.counts[:, place].any() or other.counts[:, place].any()]
    lines = [["condition", *(values[place] or "-" for place in used), "rows"]]
    lines += [[name, *(told(name, place) for place in used), told(name, None)] for name in conditions]
    return lines
