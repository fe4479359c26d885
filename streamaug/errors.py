"""The exception hierarchy. Each message says what is wrong, where, and what to do."""

from streamaug.printable import escape_lines


class StreamaugError(Exception):
    """Base of all errors that streamaug raises on purpose; the command line prints it without a
    traceback.

    Messages name files, clips and recipes of other people, and end in terminals and logs. So
    control characters in them are escaped.
    """

    def __str__(self) -> str:
        return escape_lines(super().__str__())


class ConditionError(StreamaugError):
    """A condition is misspelt, or names a codec, bitrate or effect that does not exist."""


class EncoderError(StreamaugError):
    """An encoder is missing on this machine, refuses its settings, or fails."""


class PluginError(StreamaugError):
    """A plug-in or the checkpoint of a neural codec is not on this machine, cannot be opened, or does
    not keep to its Protocol."""


class ClipsError(StreamaugError):
    """The clips table, or an audio file that it names, cannot be used."""


class StoreError(StreamaugError):
    """A store does not exist, lacks a condition or clip, or contradicts the build or the request."""


class CorruptError(StreamaugError):
    """Bytes are not what the index says: cut off, altered, missing or swapped."""


class FetchError(StreamaugError):
    """A file system or server failed to deliver or to accept bytes, after all retries."""


class RecipeError(StreamaugError):
    """A recipe cannot be read, contradicts itself, or does not fit the store."""


class LinkError(StreamaugError):
    """A link is not defined, contradicts itself, or is for a codec whose packets cannot get lost."""


class LeakageError(RecipeError):
    """The same clip or group is on both the training and the evaluation side."""


class LeakageWarning(UserWarning):
    """Clips or groups are on more than one side; nothing is refused, but results may be too good."""


class CodeWarning(UserWarning):
    """What decodes a store has other code than when it was built, so that samples may be others."""


class StateError(StreamaugError):
    """A saved position belongs to another recipe, store, split or seed."""


class QualityError(StreamaugError):
    """Signals cannot be graded, or grades and accuracies do not fit together."""


class FeatureError(StreamaugError):
    """A feature is unknown, does not fit the store's clips, or cannot be cached."""


class ModelError(StreamaugError):
    """A model cannot be opened, does not fit the store, or gives what are no scores of its clips."""


class AugmentError(StreamaugError):
    """A random augmentation fails for a row, or gives what the row cannot hold."""


class WorkerError(StreamaugError):
    """A decode process ended or failed while it had a row."""
