"""What can go wrong, a class a kind. Every message names the thing and says what to do."""


class StreamaugError(Exception):
    """Base of every error that streamaug raises on purpose; the command line prints it without a traceback."""


class ConditionError(StreamaugError):
    """A condition is misspelt, or names a codec, bitrate or effect that does not exist."""


class EncoderError(StreamaugError):
    """An encoder is missing on this machine, refuses its settings, or broke down."""


class PluginError(StreamaugError):
    """A plug-in is not installed, cannot be imported, or does not keep to its Protocol."""


class ClipsError(StreamaugError):
    """The clips table or an audio file that it names cannot be used."""


class StoreError(StreamaugError):
    """A store is missing, is no store, lacks a condition, or holds what another build made."""


class CorruptError(StreamaugError):
    """Bytes are not what the index says: cut off, altered, vanished or swapped."""


class FetchError(StreamaugError):
    """Bytes could not be had from a file system or server, after all retries."""


class RecipeError(StreamaugError):
    """A recipe cannot be read, contradicts itself, or does not fit the store."""


class LeakageError(RecipeError):
    """The same clip or group stands on the training and the evaluation side."""


class StateError(StreamaugError):
    """A saved position belongs to another recipe, store, split or seed."""


class QualityError(StreamaugError):
    """Signals that cannot be graded, or grades and accuracies that do not fit together."""


class FeatureError(StreamaugError):
    """A feature is unknown, does not fit the store's clips, or cannot be cached."""
