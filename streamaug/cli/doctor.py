"""streamaug doctor: what this machine can build and read, found by trying it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.conditions import Condition, Step, parse_conditions
from streamaug.errors import StreamaugError

if TYPE_CHECKING:
    from streamaug.codecs import Settings
    from streamaug.codecs.decoding import Decoder


def doctor(
    conditions: Annotated[str | None, typer.Option(help="Comma-separated, to be tried. Default: those of the paper.")] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML of the shape of shards/paper.yaml that changes encoders.")] = None,
    rate: Annotated[int, typer.Option(min=8_000, help="Samples a second of the store to be built.")] = 44_100,
) -> None:
    """Show which conditions can be built here, by which encoders, what decodes them, and what to install for the rest.

    Exit code 1 where one of the conditions cannot be built or decoded.
    """
    from rich.markup import escape
    from rich.table import Table

    from streamaug.cli.console import stdout
    from streamaug.codecs import load_settings

    loaded = load_settings(settings)
    asked = parse_conditions(conditions) if conditions else tuple(map(Condition.parse, loaded.conditions))
    decoders, told = _decoders()
    problems: list[str] = []
    table = Table("condition", "coded by", "delay", "decoded by")
    for condition in asked:
        try:
            table.add_row(str(condition), *map(escape, _tried(condition, loaded, rate, decoders)))
        except StreamaugError as error:
            problems.append(str(error))
            table.add_row(str(condition), "[bold red]not here[/]", "", "")
    stdout.print(table)
    tried = {step.name for condition in asked for step in condition.steps}
    for line in (*_others(loaded, tried), told, *_packages()):
        stdout.print(line, highlight=False, markup=False)
    for problem in dict.fromkeys(problems):
        stdout.print(f"[bold red]![/] {escape(problem)}", highlight=False)
    if problems:
        raise typer.Exit(1)


def _decoders() -> tuple[Mapping[str, "Decoder"], str]:
    """The decoders that work here, the one that streams use first, and a line about them."""
    from streamaug.codecs import decode_pyav, decode_torchcodec, decoder_version

    try:
        import torchcodec.decoders  # noqa: F401  loading it is the test
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "install FFmpeg's libraries, versions 4 to 8 (Debian/Ubuntu: 'apt-get install ffmpeg'; macOS: 'brew install ffmpeg')"
        return {
            "PyAV": decode_pyav
        }, f"Streams decode with PyAV, which is slower on many threads: torchcodec does not load ({reason}); {remedy}"
    return {"torchcodec": decode_torchcodec, "PyAV": decode_pyav}, f"Streams decode with {decoder_version()}"


def _tried(condition: Condition, settings: "Settings", rate: int, decoders: Mapping[str, "Decoder"]) -> tuple[str, str, str]:
    """Encoders, delay and decoders of a condition whose every codec was run on a test signal. Raises StreamaugError."""
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
        coding = calibrate(step, settings, rate)
        encoders.append(f"{coding.choice.encoder} ({coding.version})")
        decoding, delay, payload = coding.decoding, coding.delay, coding.encode(signal)
    if not payload or not condition.steps[-1].is_codec:
        encoders.append(f"flac ({pcm.flac_version()})")
        decoding, delay, payload = FLAC, 0, pcm.encode_flac(signal, rate)
    for name, decoder in decoders.items():
        decoded = decode(payload, decoding=decoding, rate=rate, delay=delay, samples=len(signal), decoder=decoder)
        if alignment.shift(decoded, signal, rate) != 0:
            raise CorruptError(f"condition '{condition}': {name} decodes it to something else; report this with the versions shown")
    return ", ".join(encoders), str(delay), ", ".join(decoders)


def _others(settings: "Settings", tried: set[str]) -> Iterator[str]:
    """A line for every codec that was not tried."""
    from streamaug.codecs import choose_encoder

    for name in sorted(set(settings.codecs) - tried):
        try:
            choice, version = choose_encoder(Step(name=name, bitrate="64"), settings)
        except StreamaugError as error:
            yield f"Codec {name}: {error}"
        else:
            yield f"Codec {name}: {choice.encoder} ({version})"


def _packages() -> Iterator[str]:
    """A line for everything that has to be installed by itself."""
    from importlib.metadata import PackageNotFoundError, version

    for package, use, extra in (("s3fs", "Stores on s3://", "s3"), ("distributed", "Builds with --cluster", "cluster")):
        try:
            yield f"{use}: {package} {version(package)}"
        except PackageNotFoundError:
            yield f"{use}: not here; 'pip install streamaug[{extra}]'"
