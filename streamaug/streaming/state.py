"""A saved position of a stream: a small JSON object, bound to what the rows depend on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamaug.errors import StateError
from streamaug.planning.identity import Identity


@dataclass(frozen=True, kw_only=True)
class State:
    """A position, and what it is a position in.

    Args:
        identity: Of the plan.
        snapshot: Snapshot of the store that the rows come from; of several, each by its name.
        epoch: Number of the epoch.
        rows: Rows of the epoch that have been consumed, over all ranks.
    """

    identity: Identity
    snapshot: str | Mapping[str, str]
    epoch: int
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"plan": self.identity.to_dict(), "snapshot": self.snapshot, "epoch": self.epoch, "rows": self.rows}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], identity: Identity) -> "State":
        """Read a saved position in the plan that `identity` names.

        Raises StateError, with the difference, for another plan.
        """
        try:
            plan = Identity.from_dict(saved["plan"])
            state = cls(identity=plan, snapshot=saved["snapshot"], epoch=saved["epoch"], rows=saved["rows"])
            differences = identity.differences(state.identity)
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(
                "this is not a saved position of a stream; it needs 'plan', 'snapshot', 'epoch' and 'rows' as state_dict() gave them"
            ) from error
        if differences:
            raise StateError(
                f"the saved position (there) is not one of this stream (here): {'; '.join(differences)}; "
                "use the recipe, store, split and seed it was saved with, or start again from the first epoch"
            )
        if not all(type(number) is int and number >= 0 for number in (state.epoch, state.rows)):
            raise StateError(f"a saved position needs an epoch and rows, both 0 or more, not {state.epoch!r} and {state.rows!r}")
        return state
