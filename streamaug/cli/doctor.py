"""streamaug doctor: show what this machine can build and read, by trying it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.cli.json_output import AsJson, print_json
from streamaug.conditions import Condition, Step
from streamaug.errors import StreamaugError

if TYPE_CHECKING:
    from streamaug.codecs import Decoding, Settings


def doctor(
    conditions: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated conditions to try, or lists of them, such as @asvspoof5. Default: @paper, or those of --settings."
        ),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML file with encoder settings that override shards/paper.yaml.")] = None,
    rate: Annotated[int, typer.Option(min=8_000, help="Sample rate in Hz of the store to build.")] = 44_100,
    as_json: AsJson = False,
) -> None:
    """Show which conditions this machine can build, with which encoders and decoders, and what to
    install for the rest.

    The exit code is 1 if one of the conditions cannot be built or decoded.
    """
    from streamaug.codecs import decoder_version, load_settings
    from streamaug.codecs.presets import requested_conditions

    loaded = load_settings(settings)
    requested = requested_conditions(conditions).conditions if conditions is not None else tuple(map(Condition.parse, loaded.conditions))
    trials = [_try(condition, loaded, rate) for condition in requested]
    codecs = list(_codecs(loaded, rate))
    packages = list(_packages())
    is_ok = not any(trial.error for trial in trials)
    if as_json:
        content = {
            "conditions": [asdict(each) for each in trials],
            "codecs": [asdict(each) for each in codecs],
            "packages": [asdict(each) for each in packages],
        }
        print_json("doctor", {"ok": is_ok, "rate": rate, **content, "decoders": decoder_version()})
    else:
        tried = {_codec_name(step) for condition in requested for step in condition.steps}
        _show(trials, [*_codec_lines(codecs, tried), f"Decoders: {decoder_version()}"], packages)
    if not is_ok:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What carries out a step of a condition: an encoder or an effect, and its version."""

    step: str
    encoder: str
    version: str

    def __str__(self) -> str:
        return f"{self.encoder} ({self.version})"


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What came of building a condition; `error` says why it cannot be, and the rest is then empty."""

    condition: str
    steps: tuple[_Part, ...] = ()
    delay: int | None = None
    decoder: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Codec:
    """A codec: its encoder, and its bitrates in words if it has only some; or why it cannot be used."""

    codec: str
    encoder: str | None = None
    version: str | None = None
    bitrates: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Package:
    """An optional package: what it is for, its version or None, and the command that installs it."""

    package: str
    use: str
    version: str | None
    install: str


def _codec_lines(codecs: list[_Codec], tried: set[str]) -> Iterator[str]:
    """Codecs in words; of those that were tried only what the table of conditions does not show."""
    for codec in codecs:
        parts = [codec.bitrates] if codec.codec in tried else [codec.error or f"{codec.encoder} ({codec.version})", codec.bitrates]
        if any(parts):
            yield f"Codec {codec.codec}: {'; '.join(filter(None, parts))}"


def _show(trials: list[_Trial], lines: list[str], packages: list[_Package]) -> None:
    from rich.table import Table
    from rich.text import Text

    from streamaug.cli.console import stdout

    table = Table("condition", "encoder", "delay (samples)", "decoder")
    for trial in trials:
        encoders = Text("not available", "bold red") if trial.error else ", ".join(map(str, trial.steps))
        table.add_row(trial.condition, encoders, "" if trial.delay is None else str(trial.delay), trial.decoder or "")
    stdout.print(table)
    for line in lines:
        stdout.print(line)
    for package in packages:
        current = f"{package.package} {package.version}" if package.version else f"not available; '{package.install}'"
        stdout.print(f"{package.use}: {current}")
    for problem in dict.fromkeys(trial.error for trial in trials if trial.error):
        stdout.print(Text("!", "bold red"), problem)


def _try(condition: Condition, settings: "Settings", rate: int) -> _Trial:
    """Build a condition of a test signal, which runs its every codec, and decode it."""
    try:
        return _built(condition, settings, rate)
    except StreamaugError as error:
        return _Trial(condition=str(condition), error=str(error))


def _built(condition: Condition, settings: "Settings", rate: int) -> _Trial:
    """The same. Raises StreamaugError."""
    from streamaug.codecs import FLAC, alignment, calibrate, decode, pcm
    from streamaug.effects import find_effect
    from streamaug.errors import CorruptError

    steps: list[_Part] = []
    last = None
    signal = alignment.calibration_signal(rate)
    for step in condition.steps:
        if not step.is_codec:
            steps.append(_Part(step=str(step), encoder=f"effect {step.name}", version=find_effect(step).version))
            continue
        calibrated = calibrate(step, settings, rate)
        steps.append(_Part(step=str(step), encoder=calibrated.encoder.name, version=calibrated.version))
        last = calibrated
    if last is None or not condition.steps[-1].is_codec:
        steps.append(_Part(step="flac", encoder="flac", version=pcm.flac_version()))
        decoding, delay = FLAC, 0
        decoded = decode(pcm.encode_flac(signal, rate), decoding=FLAC, rate=rate, delay=0, samples=len(signal))
    else:
        decoding, delay = last.decoding, last.delay
        decoded = last.decode(last.encode(signal), len(signal))
    if alignment.shift(decoded, signal, rate, alignment.likeness_of(part.encoder for part in steps)) != 0:
        raise CorruptError(f"condition '{condition}': it does not decode to the test signal, aligned; report this with the versions shown")
    return _Trial(condition=str(condition), steps=tuple(steps), delay=delay, decoder=_decoder(decoding))


def _decoder(decoding: "Decoding") -> str:
    """Name of what decodes a codec on this machine."""
    from streamaug.codecs import FLAC
    from streamaug.codecs.flac import flac_decoder

    if decoding == FLAC:
        return flac_decoder().partition(" ")[0]
    if decoding.checkpoint:
        return f"checkpoint {decoding.checkpoint[:16]}"
    return decoding.decoder or ("PyAV" if decoding.demuxer else f"plug-in {decoding.codec}")


def _codecs(settings: "Settings", rate: int) -> Iterator[_Codec]:
    """Every codec of the settings, neural ones, too, and of plug-ins, and every variant, with its bitrates in a
    store of a sample rate."""
    from streamaug import plugins
    from streamaug.codecs import choose_encoder
    from streamaug.codecs.base import bitrates
    from streamaug.codecs.bitrates import bitrate_list

    for name in sorted({*settings.codecs, *settings.neural, *plugins.names(plugins.CODECS)}):
        for variant in ("", *(settings.codecs[name].variants if name in settings.codecs else ())):
            step = Step(name=name, bitrate="64", variant=variant)
            try:
                codec, encoder, version = choose_encoder(step, settings, rate=rate)
            except StreamaugError as error:
                yield _Codec(codec=_codec_name(step), error=str(error))
            else:
                listed = bitrates(codec, 1)
                words = bitrate_list(listed) if listed else None
                yield _Codec(codec=_codec_name(step), encoder=encoder.name, version=version, bitrates=words)


def _codec_name(step: Step) -> str:
    """A codec with its variant, such as `mp3@shine`."""
    return f"{step.name}@{step.variant}" if step.variant else step.name


def _packages() -> Iterator[_Package]:
    """Everything that has to be installed by itself."""
    from importlib.metadata import PackageNotFoundError, version

    for package, use, extra in (("s3fs", "Stores on s3://", "s3"), ("distributed", "Builds with --cluster", "cluster")):
        try:
            own = version(package)
        except PackageNotFoundError:
            own = None
        yield _Package(package=package, use=use, version=own, install=f"pip install streamaug[{extra}]")
