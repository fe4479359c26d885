"""Checks of a recipe's weights and buckets, which hold on every store.

Their argument is a `Recipe`, whose module imports this one.
"""

from collections.abc import Mapping
from typing import Any

from streamaug.recipes.draws import draw_names, find_draw, takes
from streamaug.recipes.schedule import times_to_check


def check_weights(recipe: Any, shares: Mapping[str, Any]) -> None:
    """Check that some of the conditions have a weight at every time.

    Args:
        recipe: The recipe.
        shares: The conditions that are drawn by weight.

    Raises:
        RecipeError: All weights are zero at some time.
    """
    schedules = [share.weight for share in shares.values()]
    for time in times_to_check(schedules):
        if not any(schedule.at(time) for schedule in schedules):
            only_now = any(schedule.at(time + 1) for schedule in schedules)
            when = f" in {recipe.unit} {time}" if only_now else f" from {recipe.unit} {time} on" if time else ""
            raise recipe.error_at(("mixture",), f"all weights are zero{when}; give at least one condition a weight above zero")


def check_column_weights(recipe: Any) -> None:
    """Check the weights by column. Raises RecipeError."""
    if not recipe.weights:
        return
    _check_takes(recipe, "weights", ("weights",), "'weights'", "leave clips out with 'where'")
    for each in recipe.weights:
        for value, weight in each.values:
            if weight < 0:
                raise recipe.error_at(("weights", each.column, value), f"weights: the weight of '{value}' is negative; use 0 or more")
    equal = [each.column for each in recipe.weights if each.equal]
    if len(equal) > 1:
        raise recipe.error_at(
            ("weights", equal[1]),
            f"weights: '{equal[0]}' and '{equal[1]}' cannot both be equal, unless their values are independent; keep one of them, "
            "or add a column to the clips table that joins both",
        )
    if recipe.window is not None:
        raise recipe.error_at(
            ("weights",), "'weights' and a window exclude each other: groups use up their shards at different speeds; remove one of them"
        )


def check_schedules(recipe: Any) -> None:
    """Check that schedules count in one unit, which the draw can follow. Raises RecipeError."""
    if recipe.unit != "step":
        return
    schedules = {name: share.weight for name, share in recipe.mixture.items()}
    by_step = next(name for name, schedule in schedules.items() if schedule.unit == "step")
    for name, schedule in schedules.items():
        if schedule.unit == "epoch" and len(schedule.points) > 1:
            raise recipe.error_at(
                ("mixture", name),
                f"the weight of '{name}' changes by epoch, and that of '{by_step}' by step; write both by step, or both by epoch",
            )
    _check_takes(recipe, "by_step", ("mixture", by_step), "weights by step", "write the weight by epoch")
    if recipe.stratify is None:
        raise recipe.error_at(
            ("mixture", by_step),
            f"the weight of '{by_step}' is by step, which is a global batch, so each batch has a mixture of its own; "
            "write the global batch size, for example 'stratify: 64'",
        )
    if recipe.window is not None:
        raise recipe.error_at(
            ("mixture", by_step),
            "weights by step and a window exclude each other: shards are read over the whole epoch; remove one of them",
        )


def check_bucket(recipe: Any) -> None:
    """Check a shuffle in buckets. Raises RecipeError."""
    if recipe.bucket is None:
        return
    rows, batch = recipe.bucket.rows, recipe.bucket.batch
    if rows % batch or rows == batch:
        raise recipe.error_at(
            ("shuffle",),
            f"a bucket of {rows} rows is not several batches of {batch}; write for example '{{bucket: {50 * batch}, batch: {batch}}}'",
        )
    for key, excluded in (("stratify", recipe.stratify), ("shuffle", recipe.window)):
        if excluded is not None:
            raise recipe.error_at(
                (key,),
                f"'{key}: {excluded}' and a bucket exclude each other: sorting by length moves rows to other batches; remove one of them",
            )


def _check_takes(recipe: Any, part: str, key_path: tuple[str, ...], what: str, otherwise: str) -> None:
    if not takes(find_draw(recipe.draw), part):
        able = " or ".join(f"'draw: {name}'" for name in draw_names(plug_ins=False) if takes(find_draw(name), part))
        raise recipe.error_at(key_path, f"'draw: {recipe.draw}' does not take {what}; use {able}, or {otherwise}")
