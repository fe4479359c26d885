"""Fill caches ahead, so that the first epoch runs as the later ones do."""

from collections.abc import Iterator

import numpy as np

from streamaug.condition_names import split_store
from streamaug.crop import Crop
from streamaug.errors import LinkError
from streamaug.planning.open_plan import open_plan
from streamaug.planning.sequential import SequentialPlan
from streamaug.reading.cache import Cache
from streamaug.recipes import Recipe
from streamaug.store.catalogue import StoreLike, named_stores
from streamaug.streaming.stream import Stream


def warming(
    recipe: Recipe,
    store: StoreLike,
    cache: Cache,
    *,
    split: str = "train",
    crop: Crop | None = None,
    rate: int | None = None,
    workers: int | None = None,
) -> tuple[Stream, Iterator[int]]:
    """A stream that fills a cache with all that a recipe may draw in any epoch, and its progress:
    clips done with each step.

    Every clip of the split in every condition of the recipe, shard by shard: features, and the
    bitstreams of a remote store.

    Args:
        recipe: The recipe that will be trained.
        store: The store, or several.
        cache: Where to keep everything.
        split: Clips to draw from.
        crop: What will be taken of each clip, at the `start` or in the `centre`. Default: all of it.
        rate: Sample rate in Hz that clips will be resampled to. Default: the store's.
        workers: Number of decode processes. Default: one per core.

    Raises:
        RecipeError, StoreError: The recipe does not fit the store.
        StreamaugError: The crop is random, and so cannot be cached.
        LinkError: The recipe has conditions with links.
    """
    plan = open_plan(recipe, store, split=split)
    if plan.links:
        raise LinkError(
            f"a feature cache cannot keep what link '{next(iter(plan.links))}' loses, which is something else in every epoch; leave the "
            "conditions with links out of the recipe that the cache is filled for"
        )
    every = SequentialPlan.of(store, plan.conditions, split, by_shard=True)
    stream = Stream(
        every,
        store,
        batch_size=32,
        features="static",
        crop=crop,
        rate=rate,
        tail="keep",
        workers=workers,
        feature_cache=cache,
        byte_cache=cache,
    )
    return stream, (len(batch["clip_id"]) for batch in stream)


def remote_clips(stream: Stream, store: StoreLike) -> int:
    """Clips in all conditions of a stream of `warming` whose bitstreams the cache is to keep: those
    of remote stores.

    Args:
        stream: The stream.
        store: Its store, or several.
    """
    plan = stream.plan
    conditions = plan.rows(0, np.arange(plan.epoch_size(0))).condition
    is_remote = {name: not each.folder.is_local for name, each in named_stores(store).items()}
    return int(np.array([is_remote[split_store(name)[0]] for name in plan.conditions])[conditions].sum())
