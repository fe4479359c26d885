"""How a condition relates to those that a model was trained on."""

from collections.abc import Sequence

from streamaug.condition_names import split_link, split_store
from streamaug.conditions import Condition


def familiarity(condition: str, trained: Sequence[str]) -> str:
    """How a condition relates to those that were trained on, whichever store they are of.

    Args:
        condition: Name of the condition.
        trained: Names of the conditions of the mixture.

    >>> [familiarity(name, ["original", "mp3_64"]) for name in ("original", "mp3_64", "mp3_32", "sbc_64", "mp3_64+mp3_32")]
    ['original', 'seen', 'unseen bitrate', 'unseen codec', 'unseen chain']
    >>> familiarity("mp3_64@shine", ["original", "mp3_64"])
    'unseen encoder'
    >>> [familiarity(name, ["original", "alaw_64", "g722_64~loss10"]) for name in ("alaw_64~loss10", "g722_64", "g722_64~loss10")]
    ['unseen loss', 'unseen loss', 'seen']
    """
    condition, trained = split_store(condition)[1], [split_store(name)[1] for name in trained]
    if condition == "original":
        return "original"
    if condition in trained:
        return "seen"
    if split_link(condition)[0] in {split_link(name)[0] for name in trained}:
        return "unseen loss"
    steps = Condition.parse(condition).steps
    known = {(step.name, step.variant) for name in trained for step in Condition.parse(name).steps}
    if not {step.name for step in steps} <= {name for name, _ in known}:
        return "unseen codec"
    if not {(step.name, step.variant) for step in steps} <= known:
        return "unseen encoder"
    return "unseen chain" if len(steps) > 1 else "unseen bitrate"
