"""The servers that the benchmarks of the SPARQL endpoint compare: started, asked, measured, stopped.

    python tests/benchmarks/sparql_peers.py rdflib-endpoint FILE PORT [STORE]    a launcher for that peer, used by `Server`

The launcher serves what the command of rdflib-endpoint serves, without a line of log for each request, which is in its favour.
With a folder of an Oxigraph store in place of a file it serves that through oxrdflib, without loading it anew.
"""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

RESULTS = "application/sparql-results+json"
KEPT = 64 * 2**20  # bytes of an answer that are kept; of a longer one the rest is read and thrown away
MEMORY = 8 * 2**30  # that a server may have in the part with killers
LONGEST_START = 1800.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Answer:
    """What a server sent: None as `status` where nothing came; whether the body is `whole` and can be read as what it claims
    to be; the seconds until the end; how many bytes; what went wrong."""

    status: int | None
    seconds: float
    size: int = 0
    whole: bool = False
    readable: bool = False
    trouble: str = ""
    body: bytes = b""


def ask(url: str, query: str, timeout: float) -> Answer:
    """Posts a query and waits for all of the answer, so many seconds at most."""
    parts, started = urlsplit(url), time.perf_counter()
    ends = started + timeout
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    answer = Answer(None, 0)
    kept: list[bytes] = []
    try:
        connection.request("POST", parts.path, query, {"Content-Type": "application/sparql-query", "Accept": RESULTS})
        response = connection.getresponse()
        answer.status = response.status
        while True:
            left = ends - time.perf_counter()
            if left <= 0:
                raise TimeoutError
            if connection.sock:
                connection.sock.settimeout(left)
            piece = response.read1(2**20)
            if not piece:
                break
            answer.size += len(piece)
            if answer.size <= KEPT:
                kept.append(piece)
        length = response.headers["Content-Length"]
        answer.whole = length is None or int(length) == answer.size
        answer.trouble = "" if answer.whole else "cut off"
    except TimeoutError:
        answer.trouble = "no end"
    except (OSError, http.client.HTTPException) as error:
        answer.trouble = {"IncompleteRead": "cut off"}.get(type(error).__name__, "connection lost")
    finally:
        connection.close()
    answer.seconds, answer.body = time.perf_counter() - started, b"".join(kept)
    answer.readable = answer.whole and (answer.status != 200 or _is_results(answer))
    return answer


def _is_results(answer: Answer) -> bool:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return False
    return answer.size <= KEPT and isinstance(found, dict) and ("boolean" in found or "bindings" in found.get("results", {}))


@dataclass
class Server:
    """A server of the comparison. `{port}` stands in the command; `limit` is how long a query may run, in seconds, where the
    server knows such a limit."""

    name: str
    command: list[str]
    path: str
    limit: float | None = None
    remark: str = ""
    log: Path = Path(os.devnull)
    port: int = 0
    took: float = 0  # seconds of the last start, with loading
    starts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers queries."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def start(self) -> None:
        """Starts it and waits until it answers. Raises `SystemExit` when it ends, or does not answer for half an hour."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        command = [part.replace("{port}", str(self.port)) for part in self.command]
        started = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.starts += 1
        while not self.lives():
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ends with {self.process.returncode}: {' '.join(command)}; see {self.log}")
            if time.perf_counter() - started > LONGEST_START:
                raise SystemExit(f"{self.name} does not answer at {self.url}; see {self.log}")
            time.sleep(0.1)
        self.took = time.perf_counter() - started

    def is_running(self) -> bool:
        """Whether its first process has not ended."""
        return self.process is not None and self.process.poll() is None

    def lives(self, timeout: float = 5) -> bool:
        """Whether it answers."""
        return ask(self.url, "ASK {}", timeout).status == 200

    def processes(self) -> list[Path]:
        """The folders of its processes in /proc: those of its session."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if self.process and int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(folder)
        return found

    def processor(self) -> float:
        """Seconds of the processor that it has taken, with those of its processes that have ended."""
        seconds = 0
        for folder in self.processes():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            seconds += sum(map(int, fields[11:15]))
        return seconds / TICKS

    def megabytes(self) -> float:
        """Memory of its processes; what they share, with each other and with the cache of files, is counted in parts."""
        total = 0
        for folder in self.processes():
            try:
                lines = (folder / "smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def is_idle(self, seconds: float = 0.3) -> bool:
        """Whether it takes next to no time of the processor for a moment."""
        before = self.processor()
        time.sleep(seconds)
        return self.processor() - before < 0.2 * seconds

    def stop(self) -> list[Path]:
        """Stops it; the processes that were left when it had ended, which are killed."""
        if not self.process:
            return []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        time.sleep(0.3)
        left = self.processes()
        _kill(left)
        self.process = None
        return left


class Guard(threading.Thread):
    """Watches the memory that the processes of a server have for themselves, and kills them where it is more than `MEMORY`, so
    that the machine lives. A limit of the system would not do: Oxigraph answers small questions with errors under one."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.most, self.ended = server, 0.0, threading.Event()

    def run(self) -> None:
        """Watches."""
        while not self.ended.wait(0.05):
            folders = self.server.processes()
            held = sum(map(_own_memory, folders))
            self.most = max(self.most, held / 2**20)
            if held > MEMORY:
                _kill(folders)

    def __enter__(self) -> "Guard":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


def _own_memory(folder: Path) -> int:
    try:
        fields = (folder / "statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()


def _kill(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(ProcessLookupError):
            os.kill(int(folder.name), signal.SIGKILL)


def find_oxigraph() -> str:
    """The program of the package `oxigraph`."""
    return str(Path(sys.executable).with_name("oxigraph"))


def load_oxigraph(file: Path, store: Path) -> None:
    """Loads a file into a store of Oxigraph and puts it in order, unless that store is there."""
    if not store.is_dir():
        making = store.with_name(store.name + ".making")
        for command in (["load", "-l", str(making), "-f", str(file)], ["optimize", "-l", str(making)]):
            subprocess.run([find_oxigraph(), *command], check=True, capture_output=True)
        making.rename(store)


def oxigraph(store: Path, limit: float | None = None, union: bool = False) -> Server:
    """Oxigraph's own server, read-only."""
    command = [find_oxigraph(), "serve-read-only", "-l", str(store), "-b", "127.0.0.1:{port}"]
    command += ["--timeout-s", f"{limit:.0f}"] if limit else []
    command += ["--union-default-graph"] if union else []
    return Server("oxigraph", command, "/query", limit=limit)


def rdflib_endpoint(python: str, data: Path) -> Server:
    """rdflib-endpoint over a file in memory, or over the folder of an Oxigraph store by oxrdflib."""
    way = "oxrdflib" if data.is_dir() else "memory"
    return Server(f"rdflib-endpoint, {way}", [python, __file__, "rdflib-endpoint", str(data), "{port}"], "/")


def kgraph(kind: str, of: list[str]) -> Server:
    """kgraph's own server of a kind (granian, waitress), of a workspace (`-w FOLDER`) or of files (`--data FILE`)."""
    command = [
        str(Path(sys.executable).with_name("kgraph")),
        "serve",
        *of,
        "--port",
        "{port}",
        "--server",
        kind,
        "--seconds",
        "3",
    ]
    return Server(f"kgraph, {kind}", command, "/sparql", limit=3)


def serve_rdflib(data: str, port: int) -> None:
    """Serves as `rdflib-endpoint serve` does."""
    import uvicorn
    from rdflib import Dataset
    from rdflib_endpoint import SparqlEndpoint

    if Path(data).is_dir():
        import oxrdflib  # type: ignore[import-not-found]
        import pyoxigraph

        graph = Dataset(store=oxrdflib.OxigraphStore(store=pyoxigraph.Store.read_only(data)), default_union=True)
    else:
        graph = Dataset(default_union=True)
        graph.parse(data)
    uvicorn.run(SparqlEndpoint(graph=graph), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve_rdflib(sys.argv[2], int(sys.argv[3]))
