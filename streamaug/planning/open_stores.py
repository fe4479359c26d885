"""Open the stores that a recipe draws from."""

from collections.abc import Mapping, Sequence

from streamaug.condition_names import split_store
from streamaug.hints import nearest
from streamaug.recipes import Recipe
from streamaug.store.catalogue import Catalogue, StoreArgument, StoreLike, open_store


def open_stores(recipe: Recipe, store: StoreArgument | None = None) -> StoreLike:
    """Open the store of a recipe, or its several stores together.

    Args:
        recipe: The recipe. If it draws from several stores, its label names and groups apply.
        store: A path, a URL or an opened store; for a recipe with several, a mapping of their names
            to these, or an opened `Catalogue`. Default: the recipe's `stores`.

    Raises:
        RecipeError: The recipe's conditions do not fit what is given.
        StoreError: There is no such store, or several do not go together.
        FetchError: A store could not be read.
    """
    names = list(dict.fromkeys(split_store(name)[0] for name in recipe.conditions if ":" in name))
    if store is None:
        store = recipe.stores
        if not names:
            raise recipe.error_at((), "the recipe does not name a store; give its path or URL")
        if not store:
            places = ", ".join(f"{name}: ..." for name in names)
            raise recipe.error_at(
                (), f"the recipe does not say where its stores are; add 'stores: {{{places}}}', or give a mapping of their names"
            )
    if isinstance(store, Mapping):
        opened: StoreLike = Catalogue.open(store, rename_labels=recipe.rename_labels, shared_groups=recipe.shared_groups)
    else:
        opened = open_store(store)
    if isinstance(opened, Catalogue):
        _check_several(recipe, names, opened)
    elif names:
        raise recipe.error_at(
            ("mixture",),
            f"the mixture names the stores {', '.join(names)}, but a single store is given, {opened.url}; leave it out if the recipe has "
            "'stores', or give a mapping of all names to stores",
        )
    return opened


def _check_several(recipe: Recipe, names: Sequence[str], catalogue: Catalogue) -> None:
    """Check that a recipe goes with several stores, and gives them no other settings. Raises
    RecipeError."""
    if not names:
        first = next(iter(catalogue.stores))
        raise recipe.error_at(
            ("mixture",),
            f"the conditions must name a store, one of {', '.join(catalogue.stores)}, such as '{first}:{recipe.conditions[0]}'",
        )
    for name in names:
        if name not in catalogue.stores:
            raise recipe.error_at(("mixture",), f"the store '{name}' is not given. {nearest(name, catalogue.stores)}")
    for key in ("rename_labels", "shared_groups"):
        if getattr(recipe, key) not in ({}, False, getattr(catalogue, key)):
            raise recipe.error_at((key,), f"'{key}' is not what the stores were opened with; open them with streamaug.open_stores(recipe)")
