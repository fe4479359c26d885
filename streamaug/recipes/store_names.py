"""Check the names of stores in a recipe, and find the folders that they name."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from streamaug.condition_names import STORE_NAMES, is_store_name, split_store
from streamaug.files import absolute_path
from streamaug.hints import nearest
from streamaug.yaml_lines import KeyPath


def location_from(folder: Path, location: str) -> str:
    """Path or URL of a store as a recipe names it; a relative path begins at the recipe's folder.

    Args:
        folder: The recipe's folder.
        location: Path or URL.

    >>> location_from(Path("/data/recipes"), "../esc"), location_from(Path("/data"), "s3://bucket/esc")
    ('/data/recipes/../esc', 's3://bucket/esc')
    """
    if "://" in location or "::" in location:
        return location
    return str(absolute_path(location if location.startswith("~") else folder / location))


def store_problem(conditions: Iterable[str], stores: Mapping[str, str], settings: Iterable[str]) -> tuple[KeyPath, str] | None:
    """What is wrong with the names of stores in a recipe, and where; None if they are right.

    Args:
        conditions: Names of the mixture's conditions.
        stores: Where each store is, by name; empty if the recipe does not say.
        settings: Keys that are set, and make sense for several stores only.

    >>> store_problem(["mp3_64"], {"esc": "esc", "tau": "tau"}, [])
    (('mixture', 'mp3_64'), "'mp3_64' lacks its store; write 'esc:mp3_64' or 'tau:mp3_64'")
    """
    for name in stores:
        if not is_store_name(name):
            return ("stores", name), f"stores: '{name}' is not {STORE_NAMES}"
    named = [name for name in conditions if split_store(name)[0]]
    known = sorted(stores or {split_store(name)[0] for name in named})
    for name in conditions:
        store, condition = split_store(name)
        if not store and known:
            choices = " or ".join(f"'{each}:{condition}'" for each in known)
            return ("mixture", name), f"'{name}' lacks its store; write {choices}"
        if store and store not in known:
            return ("mixture", name), f"'{name}': 'stores' has no '{store}'. {nearest(store, known)}"
    for key in settings:
        if not named:
            return (key,), f"'{key}' is for mixtures of several stores, such as 'mixture: {{tau:mp3_64: 1, esc:original: 1}}'; remove it"
    return None
