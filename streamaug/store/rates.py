"""Sample rates and channels of the clips of a store, or of those of several that are used."""

from collections.abc import Iterable, Mapping

import numpy as np

from streamaug.condition_names import split_store
from streamaug.errors import StoreError
from streamaug.store.catalogue import StoreLike, named_stores
from streamaug.store.store import Store


def used_stores(store: StoreLike, conditions: Iterable[str]) -> Mapping[str, Store]:
    """The stores that some conditions name, by name; the name of a single one is empty.

    Args:
        store: The store.
        conditions: Names of conditions, such as those of a plan.
    """
    names = {split_store(condition)[0] for condition in conditions}
    return {name: each for name, each in named_stores(store).items() if name in names}


def clip_rates(store: StoreLike) -> np.ndarray:
    """Sample rate of each clip in Hz, int64 of shape (clips,).

    Args:
        store: The store.
    """
    stores = named_stores(store).values()
    rates = np.array([each.manifest.rate for each in stores], np.int64)
    if (rates == rates[0]).all():
        return np.broadcast_to(rates[0], len(store.clips))
    return np.repeat(rates, [len(each.clips) for each in stores])


def clip_lengths(store: StoreLike, conditions: Iterable[str]) -> np.ndarray:
    """Length of each clip in samples at the highest rate of the stores that some conditions name,
    int64 of shape (clips,).

    Args:
        store: The store.
        conditions: Names of conditions, such as those of a plan.
    """
    samples: np.ndarray = store.clips["samples"].to_numpy()
    lengths: np.ndarray = samples * highest_rate(store, conditions) // clip_rates(store)
    return lengths


def highest_rate(store: StoreLike, conditions: Iterable[str]) -> int:
    """The highest sample rate in Hz of the stores that some conditions name.

    Args:
        store: The store.
        conditions: Names of conditions, such as those of a plan.
    """
    return max(each.manifest.rate for each in used_stores(store, conditions).values())


def common_rate(store: StoreLike, conditions: Iterable[str]) -> int:
    """The sample rate in Hz of the stores that some conditions name.

    Args:
        store: The store.
        conditions: Names of conditions, such as those of a plan.

    Raises:
        StoreError: The rates of these stores differ; two are named.
    """
    rates = {name: each.manifest.rate for name, each in used_stores(store, conditions).items()}
    if pair := _two_that_differ(rates):
        first, second = pair
        raise StoreError(
            f"store '{first}' has {rates[first]} Hz and store '{second}' has {rates[second]} Hz, but a batch has one sample rate; resample "
            "both with Stream(rate=...) or --rate, or build one of them again at the other's"
        )
    return next(iter(rates.values()))


def common_channels(store: StoreLike, conditions: Iterable[str]) -> int:
    """The number of channels of the stores that some conditions name.

    Args:
        store: The store.
        conditions: Names of conditions, such as those of a plan.

    Raises:
        StoreError: The channels of these stores differ; two are named.
    """
    channels = {name: each.manifest.channels for name, each in used_stores(store, conditions).items()}
    if pair := _two_that_differ(channels):
        first, second = pair
        texts = {name: "one channel" if count == 1 else f"{count} channels" for name, count in channels.items()}
        raise StoreError(
            f"the clips of store '{first}' have {texts[first]} and those of store '{second}' {texts[second]}, but a stream has one number "
            "of channels; build the one of two channels again with --channels mono"
        )
    return next(iter(channels.values()))


def _two_that_differ(values: Mapping[str, int]) -> tuple[str, str] | None:
    """Names of two entries with different values; None if all are the same.

    >>> _two_that_differ({"tau": 1, "esc": 1, "fsdd": 2}), _two_that_differ({"tau": 1})
    (('tau', 'fsdd'), None)
    """
    first, *others = values
    return next(((first, other) for other in others if values[other] != values[first]), None)
