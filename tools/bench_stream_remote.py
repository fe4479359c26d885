"""Measure the stream over a network with 30 ms of latency, and s3fs against obstore; run by
bench_stream.py, or alone.

    python -m tools.bench_stream_remote WORK

WORK: bench_stream.py's folder. Two servers run on this machine, each with a proxy that delays every
byte by 30 ms: moto for S3 with a windowed shuffle, and nginx for the full shuffle, because moto
answers only about 150 requests per second. Servers and proxy run on the same cores as the stream;
the processor time that they take is a column of the table.
"""

import asyncio
import getpass
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import s3fs
import typer

from streamaug.reading.fetch import CONNECTIONS, ByteRange, Fetcher
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.streaming import Stream
from tools.tables import table

LATENCY = 0.03
BUCKET = "bench"
READS = 2000
"""Rows that each of s3fs and obstore reads."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def delay(port: int, upstream: int) -> None:
    """Run a proxy that forwards every byte of an answer 30 ms after it arrived, at any rate."""

    async def answer(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        delayed_bytes: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

        async def forward() -> None:
            while True:
                due, data = await delayed_bytes.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    target.close()
                    return
                target.write(data)
                await target.drain()

        forwarding = asyncio.create_task(forward())
        while data := await source.read(1 << 18):
            await delayed_bytes.put((time.monotonic() + LATENCY, data))
        await delayed_bytes.put((time.monotonic(), b""))
        await forwarding

    async def request(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", upstream, limit=1 << 20)
        await asyncio.gather(request(reader, onward_writer), answer(onward_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server process and wait until it answers on its port."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def delayed(upstream: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The delaying proxy of a server's port: its own port and process."""
    port = free_port()
    code = f"import asyncio; from tools.bench_stream_remote import delay; asyncio.run(delay({port}, {upstream}))"
    with running([sys.executable, "-c", code], port) as process:
        yield port, process


@contextmanager
def nginx(folder: Path, scratch: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """nginx that serves a folder: its port and process."""
    port = free_port()
    scratch.mkdir(exist_ok=True)
    temporary = "".join(f"{name}_temp_path {scratch}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
    (scratch / "nginx.conf").write_text(
        f"{user}daemon off; pid {scratch}/pid; error_log stderr; events {{}} http {{ access_log off; sendfile on; "
        f"keepalive_requests 100000; {temporary} server {{ listen 127.0.0.1:{port}; root {folder}; autoindex on; }} }}"
    )
    with running(["nginx", "-e", "stderr", "-c", str(scratch / "nginx.conf")], port) as process:
        yield port, process


@contextmanager
def moto(store: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A moto S3 server with the store in a bucket: its port and process."""
    port = free_port()
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port) as process:
        os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
        fs = s3fs.S3FileSystem(endpoint_url=f"http://127.0.0.1:{port}")
        fs.mkdir(BUCKET)
        fs.put(str(store), f"{BUCKET}/store", recursive=True)
        yield port, process


def processor(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a process and its children have used."""
    own = psutil.Process(process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


def epoch(recipe: Path, store: str) -> dict[str, float]:
    """Measure the second epoch of a stream."""
    stream = Stream(recipe, store, features="static", batch_size=64)
    for _ in stream:
        pass
    before, begun, clips = stream.metrics, time.perf_counter(), 0
    for batch in stream:
        clips += len(batch["label"])
    seconds, metrics = time.perf_counter() - begun, stream.metrics
    return {
        "rate": clips / seconds,
        "read_ratio": (metrics.read_bytes - before.read_bytes) / (metrics.payload_bytes - before.payload_bytes),
        "reads": metrics.reads - before.reads,
        "seconds": seconds,
    }


@contextmanager
def far(server: str, work: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The store's URL on a server that is reached through the proxy, and the processes that serve
    it.
    """
    with moto(work / "store") if server == "moto" else nginx(work, work / "nginx") as (port, process), delayed(port) as (near, proxy):
        address = f"http://127.0.0.1:{near}"
        os.environ["AWS_ENDPOINT_URL"] = address
        yield f"s3://{BUCKET}/store" if server == "moto" else f"{address}/store", [process, proxy]


def over_network(work: Path, repeats: int) -> list[list[str]]:
    """Lines of a table: shuffle, server, clips/s from disk and over the network, their ratio, bytes
    read, reads, the servers' cores.
    """
    lines = []
    for shuffle, recipe, server in (("windows of 8 shards", "windowed.yaml", "moto"), ("full", "row_6.yaml", "nginx")):
        with far(server, work) as (url, processes):
            disk, network, others = [], [], []
            for _ in range(repeats):
                disk.append(epoch(work / recipe, str(work / "store"))["rate"])
                used = sum(map(processor, processes))
                network.append(epoch(work / recipe, url))
                others.append((sum(map(processor, processes)) - used) / 2 / network[-1]["seconds"])  # of two epochs
        median = {key: statistics.median(each[key] for each in network) for key in network[0]}
        local = statistics.median(disk)
        cells = (
            f"{local:.0f}",
            f"{median['rate']:.0f}",
            f"{median['rate'] / local:.2f}",
            f"{median['read_ratio']:.2f}",
            f"{median['reads']:.0f}",
        )
        lines.append([shuffle, server, *cells, f"{statistics.median(others):.2f}"])
    return lines


def reading(client: str, port: int, work: Path) -> dict[str, float]:
    """Read rows of the mixture one by one with an S3 client, as a stream's fetcher does: reads per
    second, processor ms per read.
    """
    store = Store.open(work / "store")
    rng = np.random.default_rng(0)
    ranges = []
    for name in store.conditions:
        bitstreams = store.locations(name)
        for clip in rng.integers(0, len(bitstreams.size), READS // len(store.conditions)).tolist():
            start = int(bitstreams.offset[clip])
            ranges.append(ByteRange(path=bitstreams.path(clip), start=start, stop=start + int(bitstreams.size[clip])))
    folder = Folder.at("s3://store", {"anon": True, "endpoint_url": f"http://127.0.0.1:{port}"})
    fetcher = Fetcher(folder, connections=CONNECTIONS)  # uses obstore
    if client == "s3fs":
        fetcher._fs = folder.fs  # which it uses if obstore is not installed
    measured = []
    for _ in range(2):  # the first time connects
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            assert sum(map(len, pool.map(fetcher.read, ranges))) == sum(map(len, ranges))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
        measured.append({"rate": len(ranges) / (time.perf_counter() - begun), "cpu": 1e3 * cpu / len(ranges)})
    return measured[-1]


def clients(work: Path, repeats: int) -> list[list[str]]:
    """Lines of a table: client, reads per second, processor milliseconds per read, from nginx
    through the proxy.
    """
    measured: dict[str, list[dict[str, float]]] = {"s3fs": [], "obstore": []}
    with nginx(work, work / "nginx") as (port, _), delayed(port) as (near, _):
        for _ in range(repeats):
            for client, runs in measured.items():
                call = f"print(json.dumps(it.reading({client!r}, {near}, Path({str(work)!r}))))"
                code = f"import json; from pathlib import Path; from tools import bench_stream_remote as it; {call}"
                runs.append(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout))
    return [
        [client, f"{statistics.median(each['rate'] for each in runs):.0f}", f"{statistics.median(each['cpu'] for each in runs):.2f}"]
        for client, runs in measured.items()
    ]


def run(work: Annotated[Path, typer.Argument(help="Folder of bench_stream.py.")], repeats: Annotated[int, typer.Option(min=1)] = 3) -> None:
    """Print the table of the stream and the table of the clients."""
    if shutil.which("nginx") is None:
        raise SystemExit("nginx is not installed; install it with: apt-get install nginx-light")
    work = work.absolute()
    rates = ["disk, clips/s", "network, clips/s", "of the disk"]
    head = ["shuffle", "server, 30 ms away", *rates, "bytes read per byte of a row", "reads", "cores used by servers"]
    table(head, over_network(work, repeats))
    table(["client", "reads/s", "processor ms per read"], clients(work, repeats))


if __name__ == "__main__":
    typer.run(run)
