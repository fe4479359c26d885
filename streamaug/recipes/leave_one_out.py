"""Derive recipes that leave out one codec each, or one encoder each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from streamaug.condition_names import split_store
from streamaug.conditions import Condition, Step
from streamaug.errors import RecipeError
from streamaug.recipes.recipe import Recipe

USUAL = "default"
"""Stands for the variant of conditions that name none."""


def codecs_of(condition: str) -> tuple[str, ...]:
    """The codecs in a condition's chain.

    >>> codecs_of("sbc_64+aac_32"), codecs_of("tau:mp3_64")
    (('sbc', 'aac'), ('mp3',))
    """
    return tuple(step.name for step in _codec_steps(condition))


def encoders_of(condition: str) -> tuple[str, ...]:
    """The encoders in a condition's chain, each as codec and variant.

    >>> encoders_of("mp3_64@shine+aac_32"), encoders_of("tau:mp3_64")
    (('mp3@shine', 'aac@default'), ('mp3@default',))
    """
    return tuple(f"{step.name}@{step.variant or USUAL}" for step in _codec_steps(condition))


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
    return _without_each(recipe, codecs, codecs_of)


def without_each_encoder(recipe: Recipe, families: Mapping[str, str]) -> dict[str, Recipe]:
    """For each encoder in a recipe's mixture that has a sibling there, the recipe without all
    conditions that use it. Siblings make the same format: variants of a codec, and codecs of one
    family.

    Args:
        recipe: The recipe.
        families: The format of each codec that has not a format of its own, such as `he-aac: aac`.

    Raises:
        RecipeError: No encoder has a sibling, or what is left is not a valid recipe.
    """
    encoders = sorted({encoder for condition in recipe.conditions for encoder in encoders_of(condition)})
    formats = [families.get(codec, codec) for codec in (encoder.partition("@")[0] for encoder in encoders)]
    siblings = [encoder for encoder, made in zip(encoders, formats, strict=True) if formats.count(made) > 1]
    if not siblings:
        names = ", ".join(encoders) or "none"
        raise recipe.error_at(
            ("mixture",),
            f"leaving out one encoder needs two or more of one format, but the mixture has {names}; add a variant, such as mp3_64@lame-vbr",
        )
    return _without_each(recipe, siblings, encoders_of)


def _codec_steps(condition: str) -> list[Step]:
    return [step for step in Condition.parse(split_store(condition)[1]).steps if step.is_codec]


def _without_each(recipe: Recipe, parts: Iterable[str], parts_of: Callable[[str], tuple[str, ...]]) -> dict[str, Recipe]:
    family = {}
    for part in parts:
        rest = {name: share for name, share in recipe.mixture.items() if part not in parts_of(name)}
        if not rest:
            raise recipe.error_at(("mixture",), f"without '{part}' no condition is left; add one that does not use it")
        try:
            family[part] = replace(recipe, title=f"{recipe.title}, without {part}", mixture=rest)
        except RecipeError as error:
            raise RecipeError(f"without '{part}': {error}") from None
    return family
