"""accelerate: a loader whose batches go to the accelerator's device, and whose position it saves.

A stream shares its rows among the ranks itself. accelerate's own loaders would share them out
again, so a stream refuses them; hand it to `prepare` of this module instead.

    accelerator = Accelerator()
    model, optimizer = accelerator.prepare(model, optimizer)
    loader = prepare(accelerator, StreamLoader(stream, num_workers=2))
"""

from collections.abc import Iterator, Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.data_loader import DataLoaderStateMixin
from accelerate.state import GradientState
from accelerate.utils import send_to_device

from streamaug.errors import StreamaugError
from streamaug.streaming.loader import StreamLoader
from streamaug.streaming.stream import Stream


def prepare(accelerator: Accelerator, loader: Stream | StreamLoader) -> "PreparedLoader":
    """Make a loader for training with an accelerator, and save its position with
    `accelerator.save_state`.

    Args:
        accelerator: It loads the position with `load_state`, too.
        loader: A stream, or a StreamLoader for one with workers.

    Raises:
        StreamaugError: It is neither a stream nor a StreamLoader.
    """
    if isinstance(loader, Stream):
        loader = StreamLoader(loader)
    if not isinstance(loader, StreamLoader):
        raise StreamaugError(
            f"prepare() needs a Stream or a StreamLoader, not {type(loader).__name__}; write prepare(accelerator, StreamLoader(stream))"
        )
    prepared = PreparedLoader(accelerator, loader)
    accelerator.register_for_checkpointing(prepared)
    return prepared


class PreparedLoader(DataLoaderStateMixin):  # type: ignore[misc]  # accelerate has no types
    """Batches of this rank on the accelerator's device; `prepare` makes it.

    It reads no batch ahead, and tells accelerate which one is the last of an epoch, so that
    `accelerator.accumulate` takes an optimizer step there.

    Args:
        accelerator: Names the device.
        loader: Serves the stream.
    """

    def __init__(self, accelerator: Accelerator, loader: StreamLoader) -> None:
        self.loader, self._accelerator = loader, accelerator
        self.gradient_state = GradientState()

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.begin()
        try:
            for batch in self.loader:
                self.end_of_dataloader = self.loader.state_dict()["rows"] == 0
                yield send_to_device(batch, self._accelerator.device)
        finally:
            self.end()

    @property
    def epoch(self) -> int:
        """The epoch of the next batch: after an epoch's last batch the next one."""
        epoch: int = self.loader.state_dict()["epoch"]
        return epoch

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that was taken, for JSON."""
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume at a saved position with the next iteration.

        Raises StateError for a state of another plan.
        """
        self.loader.load_state_dict(state)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that epoch; see `Stream.set_epoch`."""
        self.loader.set_epoch(epoch)
