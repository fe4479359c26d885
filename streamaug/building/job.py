"""Describe what to build: the clips, the store, its conditions and how they are stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamaug.building.reading import LONGEST_S, Channel, Channels, Reading
from streamaug.codecs import Settings, load_settings
from streamaug.conditions import Condition
from streamaug.effects import Effect

SHARD_MB = 64.0
"""MB of `original` in a shard by default: large enough to be read quickly, small enough to be sent
again."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A store to build, or what to add to an existing one. It says nothing about who does the work.

    Args:
        clips: CSV or Parquet table with the columns path and `shard_by`, and label, labels or
            target, or none of these; optionally clip_id, split, group, start and stop of an excerpt
            in seconds, and any others.
        store: Path or fsspec URL of the store.
        conditions: Conditions to build; `original` is always among them. Default: those of
            `settings`, without the ones that no encoder on this machine can make.
        optional: Those of `conditions` that are left out, with a warning, if this machine cannot
            build them.
        name: Name of the data set. Default: that of the existing store, else the table's stem.
        rate: Sample rate of the store in Hz. Default: that of the existing store, else the most
            common rate of the sources.
        seconds: Clip length; longer clips are cut, shorter ones padded. Default: that of the
            existing store, else each clip has its own.
        channel: What becomes the store's one channel: "mix" for the mean of a source's channels,
            "left" for the first, "right" for the second. Default: "mix".
        channels: "mono" for a store of one channel, "keep" for one with the channels of its
            sources, one or two, which must be as many in all of them. Default: those of the
            existing store, else "mono".
        longest: Length in seconds beyond which a source is refused. Default: one hour.
        shard_by: Column to shard by: each shard holds clips of one value.
        shard_mb: Size of a shard of `original` in MB, by estimate; at least eight shards per value
            of `shard_by` if there are clips enough. Default: 64.
        clips_per_shard: Largest number of clips in a shard. Default: as many as `shard_mb` takes.
        settings: Encoder settings. Default: shards/paper.yaml.
        effects: Effects by name, besides the installed ones.
        replace: Rebuild conditions whose stored settings differ.
        skip_bad: Build without the clips that have errors, and list them in STORE/rejected.csv.
        recheck: Decode all sources again, also those that an earlier build has checked and that
            have the same size and time of modification.
        storage_options: Arguments for the store's fsspec file system.
        columns: The table's own names of path, label, labels, target, split, group, clip_id, start
            and stop, where they differ.
        known_problems: Errors of clips that the table's maker knows, by path.
        origins: Where the audio of files comes from that were unpacked for this build, by path;
            errors name it in place of the file.
    """

    clips: Path
    store: str
    conditions: Sequence[Condition] | None = None
    optional: Collection[Condition] = ()
    name: str | None = None
    rate: int | None = None
    seconds: float | None = None
    channel: Channel = "mix"
    channels: Channels | None = None
    longest: float = LONGEST_S
    shard_by: str = "split"
    shard_mb: float = SHARD_MB
    clips_per_shard: int | None = None
    settings: Settings = field(default_factory=load_settings)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    replace: bool = False
    skip_bad: bool = False
    recheck: bool = False
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    known_problems: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def reading(self, rate: int, samples: int | None, channels: int | None) -> Reading:
        """How the sources are read.

        Args:
            rate: Sample rate of the store in Hz.
            samples: Length that they are cut or padded to, as `options.clip_length` gives it.
            channels: Channels that they must have, as `options.kept_channels` gives it.
        """
        return Reading(rate=rate, samples=samples, channel=self.channel, channels=channels, longest=self.longest)
