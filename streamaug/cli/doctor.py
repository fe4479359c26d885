"""streamaug doctor: show what this machine can build and read, by trying it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.conditions import Condition, Step, parse_conditions
from streamaug.errors import StreamaugError

if TYPE_CHECKING:
    from streamaug.codecs import Decoding, Settings
    from streamaug.codecs.decoding import Decoder


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
    from streamaug.codecs import load_settings

    loaded = load_settings(settings)
    requested = parse_conditions(conditions) if conditions is not None else tuple(map(Condition.parse, loaded.conditions))
    decoders, decoders_line = _decoders()
    problems: list[str] = []
    table = Table("condition", "encoder", "delay (samples)", "decoder")
    for condition in requested:
        try:
            table.add_row(str(condition), *_try(condition, loaded, rate, decoders))
        except StreamaugError as error:
            problems.append(str(error))
            table.add_row(str(condition), Text("not available", "bold red"), "", "")
    stdout.print(table)
    tried = {step.name for condition in requested for step in condition.steps}
    for line in (*_other_codecs(loaded, tried), decoders_line, *_packages()):
        stdout.print(line)
    for problem in dict.fromkeys(problems):
        stdout.print(Text("!", "bold red"), problem)
    if problems:
        raise typer.Exit(1)


def _decoders() -> tuple[Mapping[str, "Decoder"], str]:
    """The decoders that work on this machine, the one that streams use first, and a line about
    them."""
    from streamaug.codecs import decode_pyav, decode_torchcodec, decoder_version

    try:
        import torchcodec.decoders  # noqa: F401  loading it is the test
    except ModuleNotFoundError as error:
        package = (error.name or "torchcodec").partition(".")[0]
        remedy = f"{package} is not installed; 'pip install {package}'"
        return {"PyAV": decode_pyav}, f"Streams decode with PyAV. torchcodec is faster on many threads; {remedy}"
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "install FFmpeg's libraries, versions 4 to 8 (Debian/Ubuntu: 'apt-get install ffmpeg'; macOS: 'brew install ffmpeg')"
        return {
            "PyAV": decode_pyav
        }, f"Streams decode with PyAV. torchcodec is faster on many threads, but does not load ({reason}); {remedy}"
    return {"torchcodec": decode_torchcodec, "PyAV": decode_pyav}, f"Streams decode with {decoder_version()}"


def _try(condition: Condition, settings: "Settings", rate: int, decoders: Mapping[str, "Decoder"]) -> tuple[str, str, str]:
    """Encoders, delay and decoders of a condition, whose every codec is run on a test signal.

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
    names = _names_of_decoders(decoding, decoders)
    for name in names:
        decoder = decoders.get(name)
        decoded = decode(payload, decoding=decoding, rate=rate, delay=delay, samples=len(signal), decoder=decoder)
        if alignment.shift(decoded, signal, rate) != 0:
            raise CorruptError(
                f"condition '{condition}': what {name} decodes is not aligned with the test signal; report this with the versions shown"
            )
    return ", ".join(encoders), str(delay), ", ".join(names)


def _names_of_decoders(decoding: "Decoding", decoders: Mapping[str, "Decoder"]) -> list[str]:
    """Names of what decodes a codec on this machine, the one that streams use first."""
    from streamaug.codecs import FLAC
    from streamaug.codecs.decoding import TORCHCODEC_FORMATS

    if decoding == FLAC:
        return ["soundfile"]
    if decoding.demuxer is None:
        return [f"plug-in {decoding.codec}"]
    return [name for name in decoders if name != "torchcodec" or decoding.demuxer in TORCHCODEC_FORMATS]


def _other_codecs(settings: "Settings", tried: set[str]) -> Iterator[str]:
    """A line for every codec that was not tried: of the settings, and of plug-ins."""
    from streamaug import plugins
    from streamaug.codecs import choose_encoder

    for name in sorted({*settings.codecs, *plugins.names(plugins.CODECS)} - tried):
        try:
            _, encoder, version = choose_encoder(Step(name=name, bitrate="64"), settings)
        except StreamaugError as error:
            yield f"Codec {name}: {error}"
        else:
            yield f"Codec {name}: {encoder.name} ({version})"


def _packages() -> Iterator[str]:
    """A line for everything that has to be installed by itself."""
    from importlib.metadata import PackageNotFoundError, version

    for package, use, extra in (("s3fs", "Stores on s3://", "s3"), ("distributed", "Builds with --cluster", "cluster")):
        try:
            yield f"{use}: {package} {version(package)}"
        except PackageNotFoundError:
            yield f"{use}: not available; 'pip install streamaug[{extra}]'"
