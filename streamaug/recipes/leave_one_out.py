"""Derive recipes that leave out one codec each."""

from dataclasses import replace

from streamaug.condition_names import split_store
from streamaug.conditions import Condition
from streamaug.errors import RecipeError
from streamaug.recipes.recipe import Recipe


def codecs_of(condition: str) -> tuple[str, ...]:
    """The codecs in a condition's chain.

    >>> codecs_of("sbc_64+aac_32"), codecs_of("tau:mp3_64")
    (('sbc', 'aac'), ('mp3',))
    """
    return tuple(step.name for step in Condition.parse(split_store(condition)[1]).steps if step.is_codec)


def without_each_codec(recipe: Recipe) -> dict[str, Recipe]:
    """For each codec in a recipe's mixture, the recipe without all conditions that use it.

    Args:
        recipe: The recipe.

    Raises:
        RecipeError: There are fewer than two codecs, or what is left is not a valid recipe.
    """
    codecs = sorted({codec for condition in recipe.conditions for codec in codecs_of(condition)})
    if len(codecs) < 2:
        names = ", ".join(codecs) or "none"
        raise recipe.error_at(("mixture",), f"leaving out one codec needs two or more, but the mixture has {names}; add conditions")
    family = {}
    for codec in codecs:
        rest = {name: share for name, share in recipe.mixture.items() if codec not in codecs_of(name)}
        if not rest:
            raise recipe.error_at(("mixture",), f"without '{codec}' no condition is left; add one that does not use it")
        try:
            family[codec] = replace(recipe, title=f"{recipe.title}, without {codec}", mixture=rest)
        except RecipeError as error:
            raise RecipeError(f"without '{codec}': {error}") from None
    return family
