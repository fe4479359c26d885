"""The exceptions of a run."""

from streamaug.errors import StreamaugError


class CheckpointError(StreamaugError):
    """A checkpoint is missing, damaged, a pickle, or of another model or other labels."""


class RunError(StreamaugError):
    """A run's settings are wrong, its folder is in use, or its data does not fit."""


class DivergedError(StreamaugError):
    """The loss is no longer a finite number."""
