"""Names of conditions in recipes: `mp3_64`, or with several stores `tau:mp3_64`."""

import re

_STORE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")

STORE_NAMES = "a name of letters, digits, '-', '_' and '.', such as 'tau'"
"""What `is_store_name` accepts, for errors."""


def is_store_name(name: str) -> bool:
    """Whether a text can name a store in front of a condition.

    >>> is_store_name("tau-2020"), is_store_name("tau:2020")
    (True, False)
    """
    return _STORE.fullmatch(name) is not None


def split_store(name: str) -> tuple[str, str]:
    """The store and the condition in the name of a condition; without a store, it is empty.

    >>> split_store("tau:mp3_64"), split_store("mp3_64")
    (('tau', 'mp3_64'), ('', 'mp3_64'))
    """
    store, _, condition = name.rpartition(":")
    return store, condition


def split_link(name: str) -> tuple[str, str]:
    """The stored condition and the link in the name of a condition; without a link, it is empty.

    >>> split_link("tau:opus-voip_24~loss10"), split_link("mp3_64")
    (('tau:opus-voip_24', 'loss10'), ('mp3_64', ''))
    """
    stored, _, link = name.partition("~")
    return stored, link


def condition_order(name: str) -> tuple[str, bool, str]:
    """Sorts names of conditions: store by store, `original` first, then by name.

    >>> sorted(["mp3_64", "aac_32", "original"], key=condition_order)
    ['original', 'aac_32', 'mp3_64']
    >>> sorted(["tau:mp3_64", "esc:original", "tau:original"], key=condition_order)
    ['esc:original', 'tau:original', 'tau:mp3_64']
    """
    store, condition = split_store(name)
    return store, condition != "original", condition


def reading_order(name: str) -> tuple[str, bool, list[tuple[str, float]]]:
    """Sorts names of conditions as people read them: as `condition_order`, but numbers by their value.

    >>> sorted(["mp3_128", "mp3_64", "alaw_64~loss10", "alaw_64~loss5", "original"], key=reading_order)
    ['original', 'alaw_64~loss5', 'alaw_64~loss10', 'mp3_64', 'mp3_128']
    """
    store, coded, condition = condition_order(name)
    texts, numbers = _NUMBER.split(condition)[::2], _NUMBER.findall(condition)
    return store, coded, list(zip(texts, [*map(float, numbers), 0.0], strict=True))
