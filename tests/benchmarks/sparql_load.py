"""Loads a SPARQL endpoint from a process of its own: a number of connections, each of which asks anew as soon as it is answered.

    python tests/benchmarks/sparql_load.py http://127.0.0.1:8000/sparql queries.txt --connections 8 --seconds 5
    python tests/benchmarks/sparql_load.py --ceiling

The file has the part of an address after its question mark, one a line: `query=SELECT...`. Each is asked in turn from the place
`--first` on. The client is a loop over raw sockets that keeps its connections; wrk (of Debian's packages), which takes less of
the machine that servers share with it, does the same where there is one. An answer counts when it is whole and its status 200.
`--ceiling` asks a server that does nothing but send 4 kB, to show what the clients can do at most.
"""

import argparse
import json
import os
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

ACCEPT = "application/sparql-results+json"
PATIENCE = 30  # seconds for an answer
END = b"\r\n0\r\n\r\n"  # of a chunked body
CLIENTS = "plain", "wrk"
SCRIPT = """
local requests, place = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", wrk.path .. "?" .. line, {Accept = "ACCEPT"})
  end
  place = tonumber(args[2])
end
function request()
  place = place + 1
  return requests[(place - 1) % #requests + 1]
end
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"seconds":%f,"p50":%f,"p95":%f,"failures":%d,"bytes":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(95) / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout, summary.bytes))
end
"""


@dataclass
class Load:
    """What came of a load: answers in `seconds`, latencies in seconds, `failures`, bytes, and the client's own time of the
    processor in seconds."""

    requests: int
    seconds: float
    p50: float
    p95: float
    failures: int
    bytes: int
    processor: float = 0

    @property
    def rate(self) -> float:
        """Whole answers a second."""
        return max(0, self.requests - self.failures) / self.seconds


def find_wrk() -> str | None:
    """Where wrk is, if anywhere: on the path, or as KGRAPH_BENCH_WRK says."""
    return os.environ.get("KGRAPH_BENCH_WRK") or shutil.which("wrk")


def load(client: str, url: str, queries: Path, first: int, connections: int, seconds: float) -> Load:
    """Loads an endpoint with one of `CLIENTS` and waits for the end of it."""
    if client == "wrk":
        script = queries.with_suffix(".lua")
        script.write_text(SCRIPT.replace("ACCEPT", ACCEPT))
        wrk = [find_wrk() or "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={PATIENCE}s", "-s", str(script)]
        command = [*wrk, url, "--", str(queries), str(first)]
    else:
        command = [sys.executable, __file__, url, str(queries), "--first", str(first)]
        command += ["--connections", str(connections), "--seconds", str(seconds)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = Load(**json.loads(done.stdout.splitlines()[-1]))
    found.processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found


class Connection:
    """A connection that is kept, with one request at a time on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address, self.buffer = address, bytearray()
        self.socket = self.connect()

    def connect(self) -> socket.socket:
        """A new socket."""
        found = socket.create_connection(self.address, PATIENCE)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def send(self, request: bytes) -> None:
        """Asks."""
        self.buffer.clear()
        self.needed, self.body, self.status, self.keeps = 0, 0, b"", True
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool | None:
        """Takes what is there: True when the answer is whole, False when it was cut off, None when there is more to come."""
        piece = self.socket.recv(262_144)
        self.buffer += piece
        if not self.needed and not self._read_head():
            return None if piece else False
        if self.needed > 0:  # a length was told
            whole = len(self.buffer) >= self.needed
        elif self.needed == -1:  # chunked
            whole = self.buffer.endswith((END, END[2:]), self.body) and self._ends()
        else:  # to the end of the connection
            return None if piece else True
        return True if whole else None if piece else False

    def _read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.buffer[: end + 2]).lower()
        self.body, self.status = end + 4, head[9:12]
        self.keeps = head.startswith(b"http/1.1") and b"\r\nconnection: close" not in head
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            self.needed = self.body + int(head[at + 17 : head.index(b"\r\n", at + 2)])
        else:
            self.needed = -1 if b"\r\ntransfer-encoding: chunked" in head else -2
        return True

    def _ends(self) -> bool:
        """Whether the chunks add up."""
        place = self.body
        while True:
            end = self.buffer.find(b"\r\n", place)
            size = int(self.buffer[place:end].split(b";")[0], 16) if end > place else -1
            if size <= 0:
                return size == 0
            place = end + 4 + size
            if place > len(self.buffer):
                return False


def run(url: str, queries: Path, first: int, connections: int, seconds: float) -> Load:
    """Loads an endpoint from this process."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    head = f"Host: {host}:{port}\r\nAccept: {ACCEPT}\r\n\r\n"
    requests = [f"GET {parts.path}?{line} HTTP/1.1\r\n{head}".encode() for line in queries.read_text().splitlines()]
    latencies: list[float] = []
    failures = received = 0
    place, open_ones, clock = first, connections, time.perf_counter
    with selectors.DefaultSelector() as selector:
        started = clock()
        ends = started + seconds

        def ask(one: Connection) -> None:
            nonlocal place
            one.send(requests[place % len(requests)])
            place += 1

        for _ in range(connections):
            one = Connection((host, port))
            selector.register(one.socket, selectors.EVENT_READ, one)
            ask(one)
        while open_ones and clock() < ends + PATIENCE:
            for key, _ in selector.select(PATIENCE):
                one = key.data
                try:
                    whole = one.receive()
                except OSError:
                    whole = False
                if whole is None:
                    continue
                now = clock()
                failures += not whole or one.status != b"200"
                latencies.append(now - one.started)
                received += len(one.buffer)
                if now >= ends or not (whole and one.keeps):
                    selector.unregister(one.socket)
                    one.socket.close()
                    if now >= ends:
                        open_ones -= 1
                        continue
                    one.socket = one.connect()
                    selector.register(one.socket, selectors.EVENT_READ, one)
                ask(one)
        took = clock() - started
    latencies.sort()
    count = len(latencies)
    p50, p95 = (latencies[int(count * share)] if count else 0.0 for share in (0.5, 0.95))
    return Load(count, took, p50, p95, failures + open_ones, received)


def serve_nothing(listener: socket.socket) -> None:
    """Answers every request with the same 4 kB, for ever."""
    body = b"x" * 4096
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    one, _ = listener.accept()
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(one, selectors.EVENT_READ)
                    continue
                one = key.fileobj  # type: ignore[assignment]
                try:
                    if one.recv(65_536).endswith(b"\r\n\r\n"):
                        one.sendall(answer)
                        continue
                except OSError:
                    pass
                selector.unregister(one)
                one.close()


@contextmanager
def trivial() -> Iterator[str]:
    """A server that does nothing but answer; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        child = os.fork()
        if not child:
            serve_nothing(listener)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def main() -> None:
    """Loads, and prints what came of it as a line of JSON."""
    parser = argparse.ArgumentParser(description="Loads a SPARQL endpoint.")
    parser.add_argument("url", nargs="?")
    parser.add_argument("queries", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--ceiling", action="store_true", help="load a server that does nothing")
    asked = parser.parse_args()
    if asked.ceiling:
        with trivial() as url:
            queries = Path(os.devnull) if not asked.queries else asked.queries
            print(json.dumps(asdict(run(url, queries, asked.first, asked.connections, asked.seconds))))
    elif asked.url and asked.queries:
        print(json.dumps(asdict(run(asked.url, asked.queries, asked.first, asked.connections, asked.seconds))))
    else:
        parser.error("name an address and a file of queries, or --ceiling")


if __name__ == "__main__":
    main()
