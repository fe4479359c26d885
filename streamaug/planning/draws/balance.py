"""The error for a recipe whose groups cannot all get the same mixture."""

from streamaug.errors import RecipeError
from streamaug.recipes.recipe import Recipe


def balance_error(recipe: Recipe, why: str) -> RecipeError:
    """The error for `balance` where it cannot be exact.

    Args:
        recipe: The recipe.
        why: Which clips or groups lack which condition.
    """
    return recipe.error_at(("balance",), f"'balance' cannot be exact: {why}; remove the incomplete condition, or balance by fewer columns")
