"""Measure what reading with lost packets costs: against plain decoding of the same bitstreams, and
against transforms that encode and decode every clip.

    python -m tools.bench_links CLIPS.csv [--peer PEER/bin/python] [--clips 40] [--rounds 5]

CLIPS.csv names mono speech. All numbers are CPU time on one core, so that what else the machine does
counts little; the rounds of all contestants take turns. PEER is an environment with phonesim.
"""

import io
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import pyarrow.csv as pc
import soundfile
import soxr
import torch
import typer
from threadpoolctl import threadpool_limits

from streamaug.codecs import calibrate, decode, load_settings
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.codecs.packets import appendix_i
from streamaug.codecs.pcm import to_pcm
from streamaug.conditions import Condition
from streamaug.features import LogMel
from streamaug.features.lengths import Lengths
from streamaug.features.registry import open_features
from streamaug.links import Bursts, lost_packets

CONDITIONS = {
    "opus-voip_24": 16_000,
    "amr-nb_12.2": 8_000,
    "amr-wb_12.65": 16_000,
    "lc3_32": 16_000,
    "msbc_60": 16_000,
    "sbc_64": 16_000,
    "alaw_64": 8_000,
    "g722_64": 16_000,
}
LINK = Bursts(loss=0.1, burst=3)

PEER = """
import json, sys, time
import numpy as np, torch
from phonesim import plc
from phonesim.core import SimContext
from phonesim.stages.codec import CodecStage
torch.set_num_threads(1)
STAGES = {
    "opus-voip_24": lambda: CodecStage("opus", backend="libopus", bitrate="24k", erasure_rate=0.1, burst_probability=2 / 3),
    "alaw_64": lambda: CodecStage("g711_alaw", erasure_rate=0.1, burst_probability=2 / 3),
}
for line in sys.stdin:
    job = json.loads(line)
    clips = np.load(job["clips"])
    clips = [torch.from_numpy(clips[name])[None, None] for name in clips.files]
    if job["condition"] == "conceal":
        frames = np.load(job["frames"])
        np.save(job["out"], plc.conceal(clips[0][0, 0].numpy(), job["rate"], frames, job["rate"] // 50))
        print(json.dumps(0), flush=True)
        continue
    if job["condition"] not in STAGES:
        print(json.dumps(None), flush=True)
        continue
    try:
        stage = STAGES[job["condition"]]()
        begun = time.process_time()
        for number, clip in enumerate(clips):
            stage(clip, SimContext(sample_rate=job["rate"], generator=torch.Generator().manual_seed(number)))
        print(json.dumps(time.process_time() - begun), flush=True)
    except Exception as error:
        print(f"{job['condition']}: {type(error).__name__}: {error}", file=sys.stderr)
        print(json.dumps(None), flush=True)
"""


class Peer:
    """phonesim in an interpreter of its own, which stays alive, and tells its own CPU time."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen([str(python), "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, **job: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def conceal(self, samples: np.ndarray, lost: np.ndarray, rate: int) -> np.ndarray:
        """Its G.711, Appendix I, on packets of 20 ms."""
        clips, frames, out = (self._folder / name for name in ("one.npz", "frames.npy", "out.npy"))
        np.savez(clips, samples)
        np.save(frames, lost)
        self(condition="conceal", clips=str(clips), frames=str(frames), out=str(out), rate=rate)
        result: np.ndarray = np.load(out)
        return result

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def effect(pcm: np.ndarray, rate: int, encoder: str, muxer: str, kbps: float) -> np.ndarray:
    """A clip through an encoder and a decoder of FFmpeg, as torchaudio's AudioEffector did it for
    SpeechBrain: in memory, without loss."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=muxer) as container:
        stream = container.add_stream(encoder, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = round(kbps * 1000)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(av.AudioResampler(stream.format, "mono", rate).resample(frame)[0]))
        container.mux(stream.encode(None))
    sink.seek(0)
    with av.open(sink, "r", format=muxer) as source:
        decoded = [each.to_ndarray().reshape(-1) for each in source.decode(source.streams.audio[0])]
    return np.concatenate(decoded)


EFFECTS: Mapping[str, tuple[str, str, float]] = {
    "opus-voip_24": ("libopus", "ogg", 24),
    "alaw_64": ("pcm_alaw", "wav", 64),
    "g722_64": ("g722", "wav", 64),
    "amr-nb_12.2": ("libopencore_amrnb", "amr", 12.2),
    "sbc_64": ("sbc", "sbc", 64),
}


def measure_condition(name: str, clips: list[np.ndarray], rate: int, rounds: int, peer: Peer | None, folder: Path) -> dict[str, float]:
    """CPU milliseconds per clip of each contestant, medians of the rounds."""
    encoder = calibrate(Condition.parse(name).steps[0], load_settings(), rate)
    opener = lossy_opener(encoder.decoding, encoder.encoder.name)
    payloads = [encoder.encode(pcm) for pcm in clips]
    np.savez(folder / "clips.npz", *[(pcm / 32_768).astype(np.float32) for pcm in clips])
    lengths = Lengths(shortest=min(map(len, clips)), longest=max(map(len, clips)), clip="")
    feature = open_features(LogMel(), rate=rate, lengths=lengths)["logmel"]

    def plain(payload: bytes, samples: int) -> np.ndarray:
        return decode(payload, decoding=encoder.decoding, rate=rate, delay=encoder.delay, samples=samples)

    def lossy(payload: bytes, samples: int, key: int) -> np.ndarray:
        sound, _ = decode_lossy(
            payload,
            opener,
            decoding=encoder.decoding,
            lose=lambda packets: lost_packets(LINK, key, packets),
            rate=rate,
            delay=encoder.delay,
            samples=samples,
        )
        return sound

    def logmel(sound: np.ndarray) -> torch.Tensor:
        return feature.compute(torch.from_numpy(sound))

    contestants: dict[str, Callable[[], float | None]] = {
        "plain": lambda: timed(lambda: [plain(payload, len(pcm)) for payload, pcm in zip(payloads, clips, strict=True)]),
        "lossy": lambda: timed(
            lambda: [lossy(payload, len(pcm), key) for key, (payload, pcm) in enumerate(zip(payloads, clips, strict=True))]
        ),
        "plain, log-mel": lambda: timed(lambda: [logmel(plain(payload, len(pcm))) for payload, pcm in zip(payloads, clips, strict=True)]),
        "lossy, log-mel": lambda: timed(
            lambda: [logmel(lossy(payload, len(pcm), key)) for key, (payload, pcm) in enumerate(zip(payloads, clips, strict=True))]
        ),
    }
    if name in EFFECTS:
        contestants["effect"] = lambda: timed(lambda: [effect(pcm, rate, *EFFECTS[name]) for pcm in clips])
    if peer is not None:
        contestants["phonesim"] = lambda: peer(condition=name, clips=str(folder / "clips.npz"), rate=rate)
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant, call in contestants.items():
            if (seconds := call()) is not None and number:  # the first round warms up
                times[contestant].append(seconds)
    return {contestant: 1000 * statistics.median(each) / len(clips) for contestant, each in times.items() if each}


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def read_clips(table: Path, count: int, seconds: float, rate: int) -> list[np.ndarray]:
    """Speech, int16, joined to clips of one length."""
    paths = pc.read_csv(table)["path"].to_pylist()
    needed, sounds = round(count * seconds * rate), list[np.ndarray]()
    while sum(map(len, sounds)) < needed:
        sound, own = soundfile.read(table.parent / paths[len(sounds) % len(paths)], dtype="float32", always_2d=True)
        sounds.append(soxr.resample(sound[:, 0], own, rate))
    return list(to_pcm(np.concatenate(sounds)[:needed], 16).reshape(count, -1))


def main(
    table: Annotated[Path, typer.Argument(help="Clips table with speech.", metavar="CLIPS.csv")],
    peer: Annotated[Path | None, typer.Option(help="Interpreter of an environment with phonesim.")] = None,
    clips: Annotated[int, typer.Option(help="Number of clips.")] = 20,
    seconds: Annotated[float, typer.Option(help="Length of a clip.")] = 5.0,
    rounds: Annotated[int, typer.Option(help="Rounds, of which medians are printed.")] = 5,
) -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        opened = None if peer is None else Peer(peer, folder)
        print("| condition | plain ms | lossy ms | ratio | with log-mel | FFmpeg effect ms | phonesim ms |")
        print("|---|---|---|---|---|---|---|")
        for condition, rate in CONDITIONS.items():
            sounds = read_clips(table, clips, seconds, rate)
            ms = measure_condition(condition, sounds, rate, rounds, opened, folder)
            ratios = f"{ms['plain'] / ms['lossy']:.2f} | {ms['plain, log-mel'] / ms['lossy, log-mel']:.2f}"
            others = " | ".join(f"{ms[each]:.1f}" if each in ms else "-" for each in ("effect", "phonesim"))
            print(f"| {condition} | {ms['plain']:.2f} | {ms['lossy']:.2f} | {ratios} | {others} |", flush=True)
        if opened is not None:
            compare(opened, read_clips(table, 1, seconds, 8_000)[0])
            opened.close()


def compare(peer: Peer, pcm: np.ndarray) -> None:
    """Whether both conceal G.711 the same."""
    samples = (pcm / 32_768).astype(np.float32)
    lost = lost_packets(LINK, 7, -(-len(samples) // 160))
    own = samples.copy()
    appendix_i.conceal(own, np.repeat(lost, 2), 8_000)
    other = peer.conceal(samples, lost, 8_000)
    print(
        f"\nG.711, Appendix I, {lost.sum()} of {len(lost)} packets lost: differs from phonesim by at most {np.abs(own - other).max():.1e}"
    )


if __name__ == "__main__":
    typer.run(main)
