"""Describe what to build: the clips, the store, its conditions and how they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamaug.codecs import Settings, load_settings
from streamaug.conditions import Condition
from streamaug.effects import Effect


@dataclass(frozen=True, kw_only=True)
class Job:
    """A store to build, or what to add to an existing one. It says nothing about who does the work.

    Args:
        clips: CSV or Parquet table with the columns path, label and `shard_by`; optionally clip_id,
            split, group and any others.
        store: Path or fsspec URL of the store.
        conditions: Conditions to build; `original` is always among them. Default: those of
            `settings`, without the ones that no encoder on this machine can make.
        name: Name of the data set. Default: that of the existing store, else the table's stem.
        rate: Sample rate of the store in Hz. Default: that of the existing store, else the most
            common rate of the sources.
        seconds: Clip length; longer clips are cut, shorter ones padded. Default: all clips must
            have the same length.
        shard_by: Column to shard by: each shard holds clips of one value.
        clips_per_shard: Largest number of clips in a shard. Default: 1/8 of the clips with the same
            `shard_by` value, between 16 and 128.
        settings: Encoder settings. Default: shards/paper.yaml.
        effects: Effects by name, besides the installed ones.
        replace: Rebuild conditions whose stored settings differ.
        skip_bad: Build without the clips that have errors, and list them in STORE/rejected.csv.
        storage_options: Arguments for the store's fsspec file system.
        columns: The table's own names of path, label, split, group and clip_id, where they differ.
        known_problems: Errors of clips that the table's maker knows, by path.
    """

    clips: Path
    store: str
    conditions: Sequence[Condition] | None = None
    name: str | None = None
    rate: int | None = None
    seconds: float | None = None
    shard_by: str = "split"
    clips_per_shard: int | None = None
    settings: Settings = field(default_factory=load_settings)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    replace: bool = False
    skip_bad: bool = False
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    known_problems: Mapping[str, str] = field(default_factory=dict)
