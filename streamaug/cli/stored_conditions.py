"""The option --conditions of commands that read a store: conditions, and lists of them."""

from streamaug.cli.console import note
from streamaug.codecs.presets import requested_conditions
from streamaug.conditions import Condition
from streamaug.errors import StoreError
from streamaug.store import Store


def stored_conditions(text: str | None, store: Store, *, links: bool = False) -> tuple[Condition, ...] | None:
    """The requested conditions. Those of a preset that the store lacks are noted and left out, as
    `build` leaves out what the machine cannot encode.

    Args:
        text: Such as `@call,mp3_64`; None for all of the store.
        store: The opened store.
        links: Whether conditions may name links. Default: no.

    Raises:
        ConditionError: A condition is misspelt, or there is no such preset.
        StoreError: The store has none of them.
    """
    if text is None:
        return None
    requested = requested_conditions(text, links=links)
    missing = [each for each in requested.conditions if each in requested.optional and str(each) not in store.conditions]
    if len(missing) == len(requested.conditions):
        raise StoreError(f"{store.url} has no condition of '{text}'; 'streamaug build CLIPS.csv {store.url} --conditions {text}' adds them")
    if missing:
        note(f"left out, since the store lacks them: {', '.join(map(str, missing))}")
    return tuple(each for each in requested.conditions if each not in missing)
