"""Tokens per second of `llms serve` with one and with many streams, beside `transformers serve` on the same checkpoint.

Each server is a process of its own with one thread for arithmetic; streams are chat answers of equal length, greedy, to
different questions. Rounds are interleaved and medians printed. CPU seconds are the server's own, so that a busy
machine disturbs them less than the clock. `transformers serve` runs as it comes and with continuous batching.

    python benchmarks/serving.py [--rounds 3] [--tokens 64] [--alone] [--dtype float32]
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from llms.models.local import embedded

STREAMS = 32
AGAINST = 16
THINGS = ("rivers", "clocks", "bread", "glass", "bees", "maps", "salt", "bridges")


@dataclass(frozen=True)
class Measured:
    """One round of several streams: tokens of all, tokens per second of each, and what the server took."""

    tokens: int
    seconds: float
    cpu_seconds: float
    each: tuple[float, ...]
    first: tuple[float, ...]


class Process:
    """A server; `model` is what it calls the checkpoint."""

    def __init__(self, name: str, command: list[str], port: int, model: str):
        self.name, self.port, self.model = name, port, model
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.5)
            if self._process.poll() is not None:
                raise SystemExit(f"{name} ended with {self._process.returncode}: {' '.join(command)}")
        raise SystemExit(f"{name} did not listen within 300 s")

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, kind: str) -> float:
        """GB; `kind` is VmRSS (now) or VmHWM (at most)."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(kind):
                return int(line.split()[1]) / 1e6
        return 0.0

    def end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


async def stream(server: Process, question: str, tokens: int) -> tuple[int, float, float]:
    """(tokens, seconds, seconds to the first one) of one answer."""
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    content = json.dumps(body).encode()
    begun, first, count = time.perf_counter(), 0.0, 0
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 22)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"{server.name} answers {status.decode().strip()}: {(await reader.read(2000)).decode()}")
    async for line in reader:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if not first and any(c["delta"].get("content") for c in event.get("choices", ())):
            first = time.perf_counter() - begun
        if event.get("usage"):
            count = event["usage"]["completion_tokens"]
    writer.close()
    return count, time.perf_counter() - begun, first


def questions(streams: int, round: int) -> list[str]:
    return [f"Write a long story about {THINGS[i % 8]}, number {round * 100 + i}." for i in range(streams)]


def measure(server: Process, streams: int, tokens: int, round: int) -> Measured:
    async def together():
        return await asyncio.gather(*(stream(server, question, tokens) for question in questions(streams, round)))

    cpu, begun = server.cpu_seconds, time.perf_counter()
    found = asyncio.run(together())
    return Measured(
        sum(count for count, _, _ in found),
        time.perf_counter() - begun,
        server.cpu_seconds - cpu,
        tuple(count / seconds for count, seconds, _ in found),
        tuple(first for _, _, first in found),
    )


def rates(found: list[Measured]) -> tuple[float, float]:
    """Median tokens per second by the clock, and per CPU second of the server."""
    return (
        statistics.median(m.tokens / m.seconds for m in found),
        statistics.median(m.tokens / max(m.cpu_seconds, 1e-9) for m in found),
    )


def say(server: Process, streams: int, found: list[Measured]) -> None:
    clock, cpu = rates(found)
    fair = statistics.median(min(m.each) / statistics.median(m.each) for m in found)
    first = statistics.median(statistics.median(m.first) for m in found)
    print(
        f"{server.name:34} {streams:3} streams  {clock:7.1f} tokens/s  {cpu:7.1f} per CPU second  "
        f"slowest/median {fair:.2f}  first token {first:.2f} s  memory {server.memory('VmRSS'):.2f} GB",
        flush=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ours(dtype: str) -> Process:
    port, name = free_port(), f"smollm2?dtype={dtype}"
    return Process("llms serve", [sys.executable, "-m", "llms", "serve", name, "--port", str(port)], port, name)


def theirs(dtype: str, *extra: str) -> Process:
    port, folder = free_port(), str(embedded.checkpoint())
    command = [str(Path(sys.executable).parent / "transformers"), "serve", folder, "--device", "cpu", "--dtype", dtype]
    command += ["--host", "127.0.0.1", "--port", str(port), *extra]
    return Process("transformers serve" + (" continuous" if extra else ""), command, port, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--alone", action="store_true", help="without transformers serve")
    options = parser.parse_args()
    cases: list[tuple[Process, list[int]]] = [(ours(options.dtype), [1, AGAINST, STREAMS])]
    if not options.alone:
        blocks = ("--continuous-batching", "--cb-num-blocks", "256", "--cb-max-batch-tokens", "256")
        cases += [(theirs(options.dtype), [AGAINST]), (theirs(options.dtype, *blocks), [AGAINST])]
    found: dict[tuple[int, int], list[Measured]] = {}
    try:
        for server, _ in cases:
            measure(server, 2, 8, 99)  # whatever is made at the first request
        for round in range(options.rounds):
            for case, (server, counts) in enumerate(cases):
                for streams in counts:
                    found.setdefault((case, streams), []).append(measure(server, streams, options.tokens, round))
        for (case, streams), measured in found.items():
            say(cases[case][0], streams, measured)
        mine = cases[0][0]
        many, one, some = (rates(found[0, streams]) for streams in (STREAMS, 1, AGAINST))
        print(
            f"{STREAMS} streams over one: {many[0] / one[0]:.1f} by the clock, {many[1] / one[1]:.1f} by CPU (at least 5)"
        )
        for case in range(1, len(cases)):
            other = rates(found[case, AGAINST])
            print(
                f"{AGAINST} streams over {cases[case][0].name}: {some[0] / other[0]:.1f} by the clock, "
                f"{some[1] / other[1]:.1f} by CPU (at least 2)"
            )
        print(f"memory of llms serve: {mine.memory('VmHWM'):.2f} GB at most")
    finally:
        for server, _ in cases:
            server.end()


if __name__ == "__main__":
    main()
