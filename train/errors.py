"""What can go wrong in a run, a class a kind."""

from streamaug.errors import StreamaugError


class CheckpointError(StreamaugError):
    """A checkpoint is missing, damaged, holds a pickle, or belongs to another model or label set."""


class RunError(StreamaugError):
    """A run's settings are wrong, its folder is in use, or its data does not fit."""


class DivergedError(StreamaugError):
    """The loss is no longer a finite number."""
