"""streamaug doctor: show what this machine can build and read, by trying it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.conditions import Condition, Step, parse_conditions
from streamaug.errors import StreamaugError

if TYPE_CHECKING:
    from streamaug.codecs import Decoding, Settings


def doctor(
    conditions: Annotated[
        str | None, typer.Option(help="Comma-separated conditions to try. Default: those of the paper, or of --settings.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML file with encoder settings that override shards/paper.yaml.")] = None,
    rate: Annotated[int, typer.Option(min=8_000, help="Sample rate in Hz of the store to build.")] = 44_100,
) -> None:
    """Show which conditions this machine can build, with which encoders and decoders, and what to
    install for the rest.

    The exit code is 1 if one of the conditions cannot be built or decoded.
    """
    from rich.table import Table
    from rich.text import Text

    from streamaug.cli.console import stdout
    from streamaug.codecs import decoder_version, load_settings

    loaded = load_settings(settings)
    requested = parse_conditions(conditions) if conditions is not None else tuple(map(Condition.parse, loaded.conditions))
    problems: list[str] = []
    table = Table("condition", "encoder", "delay (samples)", "decoder")
    for condition in requested:
        try:
            table.add_row(str(condition), *_try(condition, loaded, rate))
        except StreamaugError as error:
            problems.append(str(error))
            table.add_row(str(condition), Text("not available", "bold red"), "", "")
    stdout.print(table)
    tried = {step.name for condition in requested for step in condition.steps}
    for line in (*_codecs(loaded, tried), f"Decoders: {decoder_version()}", *_packages()):
        stdout.print(line)
    for problem in dict.fromkeys(problems):
        stdout.print(Text("!", "bold red"), problem)
    if problems:
        raise typer.Exit(1)


def _try(condition: Condition, settings: "Settings", rate: int) -> tuple[str, str, str]:
    """Encoders, delay and decoder of a condition, whose every codec is run on a test signal.

    Raises StreamaugError.
    """
    from streamaug.codecs import FLAC, alignment, calibrate, decode, pcm
    from streamaug.effects import find_effect
    from streamaug.errors import CorruptError

    encoders, delay = [], 0
    decoding, payload = FLAC, b""
    signal = alignment.calibration_signal(rate)
    for step in condition.steps:
        if not step.is_codec:
            encoders.append(f"effect {step.name} ({find_effect(step).version})")
            continue
        calibrated = calibrate(step, settings, rate)
        encoders.append(f"{calibrated.encoder.name} ({calibrated.version})")
        decoding, delay, payload = calibrated.decoding, calibrated.delay, calibrated.encode(signal)
    if not payload or not condition.steps[-1].is_codec:
        encoders.append(f"flac ({pcm.flac_version()})")
        decoding, delay, payload = FLAC, 0, pcm.encode_flac(signal, rate)
    decoded = decode(payload, decoding=decoding, rate=rate, delay=delay, samples=len(signal))
    if alignment.shift(decoded, signal, rate) != 0:
        raise CorruptError(f"condition '{condition}': it does not decode to the test signal, aligned; report this with the versions shown")
    return ", ".join(encoders), str(delay), _decoder(decoding)


def _decoder(decoding: "Decoding") -> str:
    """Name of what decodes a codec on this machine."""
    from streamaug.codecs import FLAC
    from streamaug.codecs.flac import flac_decoder

    if decoding == FLAC:
        return flac_decoder().partition(" ")[0]
    return "PyAV" if decoding.demuxer else f"plug-in {decoding.codec}"


def _codecs(settings: "Settings", tried: set[str]) -> Iterator[str]:
    """A line for every codec of the settings and of plug-ins: its encoder, unless the table has it,
    and its bitrates, if it has only some."""
    from streamaug import plugins
    from streamaug.codecs import choose_encoder
    from streamaug.codecs.base import bitrates
    from streamaug.codecs.bitrates import bitrate_list

    for name in sorted({*settings.codecs, *plugins.names(plugins.CODECS)}):
        try:
            codec, encoder, version = choose_encoder(Step(name=name, bitrate="64"), settings)
        except StreamaugError as error:
            if name not in tried:
                yield f"Codec {name}: {error}"
            continue
        parts = [] if name in tried else [f"{encoder.name} ({version})"]
        if known := bitrates(codec, 1):
            parts.append(bitrate_list(known))
        if parts:
            yield f"Codec {name}: {'; '.join(parts)}"


def _packages() -> Iterator[str]:
    """A line for everything that has to be installed by itself."""
    from importlib.metadata import PackageNotFoundError, version

    for package, use, extra in (("s3fs", "Stores on s3://", "s3"), ("distributed", "Builds with --cluster", "cluster")):
        try:
            yield f"{use}: {package} {version(package)}"
        except PackageNotFoundError:
            yield f"{use}: not available; 'pip install streamaug[{extra}]'"
