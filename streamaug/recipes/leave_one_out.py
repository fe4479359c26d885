"""Recipes made from a recipe."""

from dataclasses import replace

from streamaug.conditions import Condition
from streamaug.errors import RecipeError
from streamaug.recipes.recipe import Recipe


def codecs_of(condition: str) -> tuple[str, ...]:
    """Codecs that a condition's chain names.

    >>> codecs_of("sbc_64+aac_32")
    ('sbc', 'aac')
    """
    return tuple(step.name for step in Condition.parse(condition).steps if step.is_codec)


def without_each_codec(recipe: Recipe) -> dict[str, Recipe]:
    """For each codec in a recipe's mixture, the recipe without any condition that the codec took part in.

    Raises RecipeError where there are not two codecs to leave out, or a recipe would be left that cannot be.
    """
    codecs = sorted({codec for condition in recipe.conditions for codec in codecs_of(condition)})
    if len(codecs) < 2:
        raise recipe.error_at(("mixture",), f"leaving out one codec needs two or more, and here is {', '.join(codecs) or 'none'}")
    family = {}
    for codec in codecs:
        kept = {name: share for name, share in recipe.mixture.items() if codec not in codecs_of(name)}
        if not kept:
            raise recipe.error_at(("mixture",), f"without '{codec}' nothing is left; add a condition that it takes no part in")
        try:
            family[codec] = replace(recipe, title=f"{recipe.title}, without {codec}", mixture=kept)
        except RecipeError as error:
            raise RecipeError(f"without '{codec}': {error}") from None
    return family
