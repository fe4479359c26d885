"""Write a small data set of ten synthetic acoustic scenes: WAV clips and their clips.csv.

    python tools/make_demo_scenes.py FOLDER [--seed 1] [--seconds 2.5] ...

The labels are those of TAU Urban Acoustic Scenes. As in real scenes, the differences cover the
whole spectrum: broadband texture, hum and whine, events such as steps, horns and birds, and detail
above 8 kHz such as brakes, air valves and leaves. Scenes of one kind (indoor, outdoor,
transportation) share most of their sounds. A location has its own spectrum, pitches and levels, and
no location is both trained on and evaluated; a device colours its recordings. The scenes are
independent of any codec.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import numpy as np
import soundfile
import typer
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from rich.progress import track

from streamaug.cli.console import run
from streamaug.errors import StreamaugError

Signal = NDArray[np.float64]
Range = tuple[float, float]

RATE = 44_100
CURVE = np.array([31, 63, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 11_000, 16_000, 22_050])
"""Frequencies in Hz at which the spectrum of a scene or device is defined."""

SPREAD = 2.5
"""Standard deviation in dB of a location's spectrum at each point of CURVE, and of each of its
sounds' levels.
"""


def noise(random: Generator, samples: int, gain: Signal) -> Signal:
    """Gaussian noise of unit power with this gain (linear, one value per bin of its real Fourier
    transform).
    """
    shaped = np.fft.irfft(np.fft.rfft(random.standard_normal(samples)) * gain, samples)
    unit: Signal = shaped / np.sqrt(np.mean(shaped**2))
    return unit


def curve_gain(samples: int, decibels: Signal) -> Signal:
    """The gain at every bin of a real Fourier transform of `samples`, linear in dB over
    log-frequency between the points of CURVE.
    """
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    gain: Signal = 10 ** (np.interp(np.log(frequency), np.log(CURVE), decibels) / 20)
    return gain


def band_gain(samples: int, band: Range) -> Signal:
    """The gain at every bin of a real Fourier transform: 1 inside the band, falling by 24 dB an
    octave outside.
    """
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    octaves = np.maximum(0.0, np.maximum(np.log2(band[0] / frequency), np.log2(frequency / band[1])))
    gain: Signal = 10 ** (-24 * octaves / 20)
    return gain


def sway(random: Generator, samples: int, decibels: float) -> Signal:
    """A slowly wandering gain: a value of the given standard deviation in dB twice a second, joined
    by lines.
    """
    knots = random.normal(0, decibels, 2 + 2 * samples // RATE)
    return 10 ** (np.interp(np.arange(samples), np.arange(len(knots)) * RATE / 2, knots) / 20)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One kind of sound in a scene. Draws from `place` are the same in all clips of a location,
    draws from `moment` are not.

    Args:
        level: dB over the scene's texture.
        chance: Probability that a clip has the sound.
        every: Seconds from one event to the next; None for a continuous sound.
        regular: Whether events keep the location's beat.
        decay: Seconds in which an event falls by 60 dB.
        attack: Seconds in which an event rises.
    """

    level: float
    chance: float = 1.0
    every: Range | None = None
    regular: bool = False
    decay: Range = (0.1, 0.3)
    attack: float = 0.002

    def render(self, place: Generator, moment: Generator, samples: int) -> Signal:
        """The sound over a whole clip; silence if the clip does not have it."""
        level = 10 ** ((self.level + place.normal(0, SPREAD)) / 20)
        pace = place.uniform(*self.every) if self.every else 0.0
        decay = place.uniform(*self.decay)
        present = moment.random() < self.chance
        if not self.every:
            return present * level * self.waveform(place, moment, samples) * sway(moment, samples, 2)
        length = min(samples, 512 * round((self.attack + decay) * RATE / 512 + 1))  # a fast length for the Fourier transform
        time = np.arange(length) / RATE
        event = (
            self.waveform(place, moment, length)
            * np.minimum(1, time / self.attack)
            * 10 ** (-3 * np.maximum(0, time - self.attack) / decay)
        )
        gaps = pace * (moment.normal(1, 0.04, 500) if self.regular else moment.exponential(1, 500))
        onsets = (np.cumsum(gaps) - gaps[0] * moment.random()) * RATE
        heard = np.zeros(samples + length)
        for onset in onsets[onsets < samples].astype(int):
            heard[onset : onset + length] += moment.uniform(0.4, 1) * event
        return present * level * heard[:samples]

    def waveform(self, place: Generator, moment: Generator, samples: int) -> Signal:
        """The sound itself at unit power."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Noise(Sound):
    """Noise in a band (Hz), whose edges a location moves by up to a fifth."""

    band: Range

    def waveform(self, place: Generator, moment: Generator, samples: int) -> Signal:
        shift = place.uniform(0.8, 1.25)
        return noise(moment, samples, band_gain(samples, (self.band[0] * shift, self.band[1] * shift)))


@dataclass(frozen=True, kw_only=True)
class Tone(Sound):
    """A harmonic tone.

    Args:
        pitch: Of the fundamental, in Hz.
        partials: Number of harmonics.
        tilt: The k-th harmonic has 1/k**tilt of the amplitude of the first.
        glide: End pitch over start pitch, drawn for each clip.
        vibrato: Depth as a share of the pitch, and rate in Hz.
    """

    pitch: Range
    partials: int = 1
    tilt: float = 1.0
    glide: Range = (1.0, 1.0)
    vibrato: Range = (0.0, 0.0)

    def waveform(self, place: Generator, moment: Generator, samples: int) -> Signal:
        time = np.arange(samples) / RATE
        pitch = place.uniform(*self.pitch) * moment.normal(1, 0.02)
        bend = moment.uniform(*self.glide) ** (time / time[-1])
        tremble = 1 + self.vibrato[0] * np.sin(2 * np.pi * self.vibrato[1] * time)
        turn = np.exp(2j * np.pi * np.cumsum(pitch * bend * tremble) / RATE)
        harmonics = np.arange(1, self.partials + 1)
        # Horner's scheme: one sine per harmonic would take most of the program's time.
        weights = harmonics**-self.tilt * np.exp(2j * np.pi * moment.random(self.partials))
        unit: Signal = np.polyval([*weights[::-1], 0], turn).imag / np.sqrt(0.5 * np.sum(harmonics ** (-2.0 * self.tilt)))
        return unit


STEPS = Noise(level=2, band=(1_500, 6_000), every=(0.4, 0.8), decay=(0.05, 0.12))
HEELS = Noise(level=4, band=(2_500, 9_000), every=(0.45, 0.6), regular=True, decay=(0.04, 0.09))
VOICES = Tone(level=0, pitch=(110, 220), partials=16, tilt=0.7, glide=(0.85, 1.2), every=(0.12, 0.3), decay=(0.2, 0.35), attack=0.03)
SIBILANTS = Noise(level=-7, band=(5_000, 9_500), every=(0.2, 0.6), decay=(0.08, 0.15), attack=0.02)
VENTILATION = Tone(level=-4, pitch=(48, 52), partials=10, tilt=0.6)
ENGINE = Tone(level=3, pitch=(28, 60), partials=20, tilt=0.9, glide=(0.8, 1.3))
RAILS = Noise(level=6, band=(150, 900), every=(0.3, 0.8), regular=True, decay=(0.1, 0.25))
BIRDS = Tone(level=-1, pitch=(3_200, 5_500), glide=(0.7, 1.4), vibrato=(0.06, 28), every=(0.25, 0.9), decay=(0.1, 0.25), attack=0.02)
FINE_BIRDS = Tone(level=-12, pitch=(8_200, 10_500), glide=(0.85, 1.1), vibrato=(0.03, 40), every=(0.2, 0.6), decay=(0.1, 0.2), attack=0.02)
LEAVES = Noise(level=-14, band=(9_000, 17_000), every=(0.3, 0.8), decay=(0.8, 1.6), attack=0.2)
TYRES = Noise(level=0, band=(600, 2_500), every=(1.2, 2.5), decay=(2.0, 3.5), attack=0.6)

SCENES: Mapping[str, tuple[tuple[float, ...], tuple[Sound, ...]]] = MappingProxyType(
    # label: the texture's spectrum in dB at the points of CURVE, and the sounds over it
    {
        "airport": (
            (-3, -1, -1, -4, -5, -9, -12, -19, -28, -34, -40, -46),
            (
                VOICES,
                SIBILANTS,
                VENTILATION,
                Noise(level=1, band=(3_000, 12_000), every=(0.07, 0.12), regular=True, decay=(0.02, 0.05), chance=0.8),  # trolley
                Tone(level=3, pitch=(520, 700), partials=4, every=(1.2, 2.4), decay=(1.0, 1.8), chance=0.7),  # gong
            ),
        ),
        "shopping_mall": (
            (-10, -6, -3, -1, -3, -7, -13, -20, -27, -33, -40, -46),
            (
                VOICES,
                SIBILANTS,
                STEPS,
                Noise(level=-14, band=(8_500, 15_000)),  # air curtain
                Tone(level=-2, pitch=(220, 420), partials=6, every=(0.3, 0.5), regular=True, decay=(0.3, 0.6), chance=0.9),  # music
            ),
        ),
        "metro_station": (
            (-2, 0, -1, -3, -6, -11, -16, -22, -29, -35, -41, -46),
            (
                VOICES,
                STEPS,
                Noise(level=-4, band=(80, 500)),  # escalator, trains in the tunnel
                Tone(
                    level=-11, pitch=(8_500, 12_500), vibrato=(0.002, 9), every=(1.2, 2.4), decay=(1.5, 3.0), attack=0.3, chance=0.8
                ),  # brakes
                Tone(level=2, pitch=(900, 1_300), partials=3, every=(0.25, 0.4), regular=True, decay=(0.1, 0.2), chance=0.7),  # doors
            ),
        ),
        "street_pedestrian": (
            (-10, -7, -4, -3, -3, -6, -11, -17, -25, -31, -38, -45),
            (VOICES, SIBILANTS, HEELS, Noise(level=-14, band=(9_000, 16_000), every=(0.2, 0.5), decay=(0.05, 0.1))),  # keys, bottles
        ),
        "public_square": (
            (-6, -3, -1, -3, -6, -9, -14, -20, -27, -32, -38, -44),
            (
                VOICES,
                STEPS,
                Noise(level=-7, band=(2_500, 16_000)),  # fountain
                Noise(level=-4, band=(3_000, 12_000), every=(0.6, 1.8), decay=(0.3, 0.5), attack=0.05, chance=0.6),  # wings
            ),
        ),
        "street_traffic": (
            (-2, 0, -1, -1, -2, -4, -10, -19, -28, -33, -39, -45),
            (
                ENGINE,
                TYRES,
                Tone(level=3, pitch=(380, 460), partials=8, tilt=0.6, every=(1.5, 3.0), decay=(0.5, 0.9), attack=0.03, chance=0.5),  # horn
                Tone(
                    level=-13, pitch=(9_000, 13_500), vibrato=(0.004, 6), every=(1.0, 2.5), decay=(0.8, 1.6), attack=0.2, chance=0.7
                ),  # brakes
            ),
        ),
        "park": (
            (-12, -9, -6, -5, -7, -10, -14, -18, -24, -30, -38, -45),
            (BIRDS, FINE_BIRDS, LEAVES),
        ),
        "bus": (
            (0, 1, 0, -5, -11, -16, -21, -27, -34, -38, -43, -48),
            (
                ENGINE,
                VOICES,
                Noise(level=-6, band=(6_000, 17_000), every=(1.0, 2.2), decay=(0.6, 1.2), attack=0.02, chance=0.9),  # air valve
                Noise(level=2, band=(1_000, 5_000), every=(0.1, 0.4), decay=(0.03, 0.06), chance=0.8),  # rattling panes
            ),
        ),
        "tram": (
            (-2, 0, 0, -2, -6, -11, -18, -24, -32, -37, -42, -47),
            (
                RAILS,
                VOICES,
                Tone(level=-3, pitch=(350, 700), partials=6, tilt=0.8, glide=(0.6, 1.7)),  # motor
                Tone(
                    level=-13, pitch=(8_000, 11_500), vibrato=(0.006, 5), every=(0.8, 2.0), decay=(1.2, 2.4), attack=0.25, chance=0.9
                ),  # flanges
            ),
        ),
        "metro": (
            (1, 1, 0, -3, -8, -13, -18, -25, -33, -38, -43, -48),
            (
                RAILS,
                Tone(level=-6, pitch=(900, 1_600), partials=6, tilt=0.8, glide=(0.6, 1.7)),  # inverter
                Noise(level=0, band=(200, 1_200)),  # tunnel
                Noise(level=-13, band=(8_000, 14_000), every=(0.3, 0.7), regular=True, decay=(0.15, 0.3), attack=0.02),  # rail joints
            ),
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Device:
    """A recorder: its response in dB at the points of CURVE, and its noise floor in dB of full
    scale.
    """

    response: tuple[float, ...]
    floor: float


DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        "a": Device(response=(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -2, -40), floor=-94),
        "b": Device(response=(-9, -5, -2, 0, 0, 1, 3, 2, 0, -1, -8, -70), floor=-100),
        "c": Device(response=(-12, -8, -4, -1, 0, 0, 1, 3, 2, -2, -16, -80), floor=-100),
        "s1": Device(response=(-6, -3, 0, 2, 1, -1, -2, 0, 2, 1, -4, -70), floor=-97),
    }
)
TURNS = ("a", "b", "a", "c", "a", "s1")
"""Order of devices: device a records half of the clips, the others the rest in turn."""

CITIES = ("barcelona", "helsinki", "lisbon", "london", "lyon", "milan", "paris", "prague", "stockholm", "vienna")


def render_scene(label: str, place_seed: list[int], moment: Generator, samples: int) -> Signal:
    """A clip as it reaches the recorder, of unit power."""
    spectrum, sounds = SCENES[label]
    place = default_rng(place_seed)
    local = np.array(spectrum) + place.normal(0, SPREAD, len(CURVE))
    clip = noise(moment, samples, curve_gain(samples, local)) * sway(moment, samples, 1)
    for number, sound in enumerate(sounds):
        clip += sound.render(default_rng([*place_seed, number]), moment, samples)
    unit: Signal = clip / np.sqrt(np.mean(clip**2))
    return unit


def record(device: Device, clip: Signal, moment: Generator) -> Signal:
    """A clip of unit power as the device records it, within full scale."""
    spectrum = np.fft.rfft(clip) * curve_gain(len(clip), np.array(device.response))
    recorded = 10 ** (moment.normal(-24, 4) / 20) * np.fft.irfft(spectrum, len(clip))
    recorded += 10 ** (device.floor / 20) * moment.standard_normal(len(clip))
    scaled: Signal = recorded * min(1.0, 0.98 / np.max(np.abs(recorded)))
    return scaled


@dataclass(frozen=True, kw_only=True)
class Take:
    """One clip to synthesise: its row of clips.csv, and the seeds of its place and of its moment."""

    label: str
    split: str
    city: str
    location: int
    device: str
    place_seed: list[int]
    moment_seed: list[int]

    @property
    def path(self) -> str:
        return f"audio/{self.label}-{self.city}-{self.location}-{self.moment_seed[-1]}-{self.device}.wav"


def takes(*, seed: int, train_locations: int, evaluate_locations: int, clips: int) -> Iterator[Take]:
    """All clips, scene by scene. Locations are numbered across scenes; each is in one city."""
    for scene, label in enumerate(SCENES):
        devices = cycle(TURNS)
        for place in range(train_locations + evaluate_locations):
            location = scene * (train_locations + evaluate_locations) + place
            for clip, device in enumerate(islice(devices, clips)):
                yield Take(
                    label=label,
                    split="train" if place < train_locations else "evaluate",
                    city=CITIES[(scene + place) % len(CITIES)],
                    location=location,
                    device=device,
                    place_seed=[seed, 0, location],
                    moment_seed=[seed, 1, location, clip],
                )


def make(
    folder: Annotated[Path, typer.Argument(help="Folder for the clips and clips.csv; must be empty or not exist.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same bytes.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Clip length in seconds.")] = 2.5,
    train_locations: Annotated[int, typer.Option(min=1, help="Number of training locations per scene.")] = 12,
    evaluate_locations: Annotated[int, typer.Option(min=1, help="Number of evaluation locations per scene.")] = 6,
    clips: Annotated[int, typer.Option(min=1, help="Number of clips per location.")] = 2,
) -> None:
    """Write ten synthetic acoustic scenes, as WAV clips (44.1 kHz, mono, 16 bit) and their
    clips.csv.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StreamaugError(f"{folder} is not an empty folder; choose another one, or remove it")
    (folder / "audio").mkdir(parents=True)
    plan = list(takes(seed=seed, train_locations=train_locations, evaluate_locations=evaluate_locations, clips=clips))
    for take in track(plan, description="synthesising scenes"):
        moment = default_rng(take.moment_seed)
        scene = render_scene(take.label, take.place_seed, moment, round(seconds * RATE))
        soundfile.write(folder / take.path, record(DEVICES[take.device], scene, moment), RATE, subtype="PCM_16")
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "label", "split", "group", "city", "location", "device"))
        table.writerows((t.path, t.label, t.split, f"{t.city}-{t.location}", t.city, t.location, t.device) for t in plan)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(make)

if __name__ == "__main__":
    run(app)
