"""What people write and hand on: recipes, settings, traces, lists of conditions, filters."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from streamaug.codecs import load_settings
from streamaug.codecs.presets import requested_conditions
from streamaug.explore.filters import Filter
from streamaug.links.trace import read_trace
from streamaug.recipes import load_recipe
from tests.fuzz.edits import edit_json, edit_text, edit_yaml
from tests.fuzz.target import Target

_RECIPES = (
    """\
title: a curriculum
draw: weighted
rows: 6400
mixture:
  tau:original: 1
  tau:mp3_64: {0: 1, 5: 2.5}
  tau:aac_32~loss10: {weight: {ramp: {0: 0, 10: 1}}, where: {device: [a, 1]}}
  esc:pitch+opus_32: 2
weights: {label: equal, device: {a: 1, b: 0.5}}
where: {fold: [1, 2, "3"]}
stores: {tau: ../tau, esc: s3://bucket/esc}
links: {loss10: {loss: 0.1, burst: 3}, wifi: {trace: trace.csv}}
stratify: 64
""",
    """\
draw: views
views: 2
anchor: original
mixture: {original: 1, mp3_64: 1, aac_32: 1}
shuffle: {bucket: 800, batch: 16}
balance: [label]
allow_leakage: true
""",
    "draw: union\nmixture: {original: 1}\n",
    "draw: weighted\nrows: 128\nstratify: 64\nmixture: {original: 1, mp3_64: {by_step: {0: 1, 1000: 2}}}\n",
)

_SETTINGS = (
    """\
conditions: [original, mp3_64]
codecs:
  mp3:
    variants:
      mine:
        rates: [44100]
        encoders: [{adapter: pyav, encoder: libmp3lame, muxer: mp3, arguments: {abr: "1"}}]
  ilbc:
    extension: lbc
    demuxer: ilbc
    rates: [8000]
    kbps: [13.33, 15.2]
    stereo: false
    encoders:
      - {adapter: ffmpeg, encoder: libilbc, muxer: ilbc, arguments: {mode: "20"}, drops: 80}
""",
)

_CONDITIONS = ("original,mp3_64@shine,sbc_64+aac_64,opus-voip_24", "@call, @paper")


def _parse_recipe(data: bytes, folder: Path) -> None:
    path = folder / "recipe.yaml"
    path.write_bytes(data)
    (folder / "trace.csv").write_text("lost\n0\n1\n0\n")
    load_recipe(path).to_yaml()


def _parse_settings(data: bytes, folder: Path) -> None:
    path = folder / "settings.yaml"
    path.write_bytes(data)
    load_settings(path)


def _parse_trace(data: bytes, folder: Path) -> None:
    path = folder / "trace.csv"
    path.write_bytes(data)
    assert read_trace(path).packets > 0


def _parse_conditions(data: bytes, _folder: Path) -> None:
    for condition in requested_conditions(os.fsdecode(data)).conditions:
        str(condition)


def _parse_filter(data: bytes, _folder: Path) -> None:
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return  # which the server refuses by itself
    Filter.of(plain)


def _encoded(texts: Sequence[str]) -> Sequence[bytes]:
    return [text.encode() for text in texts]


TARGETS = (
    Target("recipe", _parse_recipe, lambda: _encoded(_RECIPES), (edit_yaml,)),
    Target("settings", _parse_settings, lambda: _encoded(_SETTINGS), (edit_yaml,)),
    Target("trace", _parse_trace, lambda: [b"lost\n" + b"0\n1\n" * 20, b'time,"lost",x\n0.02, 1,"a,b"\n0.04,0,\n'], (edit_text,)),
    Target("conditions", _parse_conditions, lambda: _encoded(_CONDITIONS), (edit_text,)),
    Target("filter", _parse_filter, lambda: _encoded(['["fold", "is", "1", "2"]', '["label", "contains", "dog"]']), (edit_json,)),
)
