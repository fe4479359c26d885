"""Say what each snapshot of a store changed."""

from collections.abc import Iterator

from streamaug.store.manifest import Manifest


def changes(manifest: Manifest, before: Manifest | None) -> Iterator[str]:
    """What a snapshot changed, one line each, for people.

    Args:
        manifest: The snapshot.
        before: The one before; None if it is the first, or the one before was pruned.
    """
    if before is None:
        yield f"{manifest.clips.clips} clips"
        for name, index in manifest.conditions.items():
            yield f"{name}: {index.clips} clips, settings {index.settings}"
        return
    if manifest.clips != before.clips:
        added = manifest.clips.clips - before.clips.clips
        yield f"{added} more clips" if added else "clips table changed"
    for field in ("name", "rate", "shard_by"):
        old, new = getattr(before, field), getattr(manifest, field)
        if old != new:
            yield f"{field}: {new} instead of {old}"
    labels = [label for label in manifest.labels if label not in before.labels]
    if labels:
        yield f"more labels: {', '.join(labels)}"
    for name in sorted({*manifest.conditions, *before.conditions}, key=lambda name: (name != "original", name)):
        yield from _condition_changes(name, manifest, before)


def _condition_changes(name: str, manifest: Manifest, before: Manifest) -> Iterator[str]:
    new, old = manifest.conditions.get(name), before.conditions.get(name)
    if new == old:
        return
    if new is None:
        yield f"{name}: removed"
    elif old is None:
        yield f"{name}: added, {new.clips} clips, settings {new.settings}"
    elif new.settings != old.settings:
        yield f"{name}: replaced, settings {new.settings} instead of {old.settings}"
    elif new.clips != old.clips:
        yield f"{name}: {new.clips - old.clips:+d} clips"
    else:
        yield f"{name}: shards changed"
