"""What tests of attacks share: `kgraph serve` as people start it, its processes, a loopback listener that counts who calls, and
what a browser would make of a page."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from httpserving import Answered, send

SECRET = "the-secret-of-the-next-folder"  # noqa: S105 nobody's password
IMG = "<img src=x onerror=alert(1)>"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="granian is used on Linux alone")
SERVERS = [pytest.param("granian", marks=LINUX), "waitress"]
SECONDS = 1.0  # that a query may take
SLACK = 2.0  # for a machine that others use too; the strict figure is measured in tests/benchmarks
ALL = "{ ?s ?p ?o }"
TWENTY = " ".join(map(str, range(20)))
CROSS = "".join(f" VALUES ?v{n} {{ {TWENTY} }}" for n in range(8))  # 25,600,000,000 rows
DATA = """@prefix : <http://e/> .
:g { :a :p :b , "one" , "two" . :b :p :c . :c :p :a . :a :label "A thing" }
:h { :a :p :d }
"""


class Listener:
    """Counts connections to a port of this machine; nobody should come."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/x"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.hits += 1
                connection.close()

    def close(self) -> None:
        """Frees the port."""
        self._socket.close()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """A listener; whoever uses it sees that it has no hits in the end."""
    made = Listener()
    yield made
    made.close()


class Served:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], name: str, folder: Path) -> None:
        self.process, self.name, self.folder = process, name, folder
        told = ""
        assert process.stdout is not None
        for line in process.stdout:
            told += line
            if found := re.search(r"(http://127\.0\.0\.1:\d+)/ \(Ctrl-C ends it\)", line):
                self.address = found[1]
                return
        raise AssertionError(f"it did not start: {told}")

    def ask(self, query: str, accept: str = "", method: str = "POST", path: str = "/sparql") -> Answered:
        """The answer to a query."""
        headers = {"Accept": accept} if accept else {}
        return send(self.address, method, path, query.encode(), content_type="application/sparql-query", **headers)

    def get(self, path: str, **headers: str) -> Answered:
        """What stands at a path, which is sent as it is."""
        return send(self.address, "GET", path, None, **headers)

    def raw(self, request: bytes) -> bytes:
        """What is answered to these bytes until the server closes the connection."""
        host = urlsplit(self.address)
        told = b""
        with socket.create_connection((host.hostname or "", host.port or 0), timeout=20) as connection, suppress(OSError):
            connection.sendall(request)
            while piece := connection.recv(65536):
                told += piece
        return told

    def processes(self) -> set[int]:
        """The server's process, and all that it and its children started."""
        return {self.process.pid} | below({self.process.pid})

    def workers(self) -> set[int]:
        """The processes that evaluate queries: those whose memory has a limit."""
        return {pid for pid in self.processes() if memory_limit(pid) is not None}


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Some triples, served; beside them a file that nobody should see."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "data.trig").write_text(DATA, encoding="utf-8")
    (folder / "secret.ttl").write_text(f'<a:a> <a:b> "{SECRET}" .', encoding="utf-8")
    with served(request.param, folder, "--data", folder / "data.trig") as found:
        yield found


@contextmanager
def served(name: str, folder: Path, *arguments: str | Path) -> Iterator[Served]:
    """`kgraph serve` with arguments, on a free port; its temporary files are in `folder`."""
    command = [sys.executable, "-u", "-m", "kgraph", "serve", *map(str, arguments), "--server", name, "--port", "0"]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        [*command, "--seconds", f"{SECONDS:g}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            yield Served(process, name, folder)
        finally:
            process.terminate()
            try:
                process.wait(15)
            finally:
                process.kill()


def run_kgraph(*arguments: str | Path) -> tuple[int, str]:
    """`kgraph` with arguments in a process of its own: exit code, and all it said. For what could end the process."""
    done = subprocess.run([sys.executable, "-m", "kgraph", *map(str, arguments)], capture_output=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def below(pids: set[int]) -> set[int]:
    """The processes that those have started, and these, and so on."""
    found: set[int] = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(place.read_text().rsplit(")", 1)[1].split()[1]) in pids:
                found.add(int(place.parent.name))
    return found | below(found) if found else set()


def state(pid: int) -> str:
    """The letter of a process's state (`Z`: a zombie); empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def memory_limit(pid: int) -> int | None:
    """The bytes of address space that a process may have; None where it has no limit, or is gone."""
    with suppress(OSError):
        found = re.search(r"Max address space +(\d+)", Path(f"/proc/{pid}/limits").read_text())
        return int(found[1]) if found else None
    return None


def peak(pid: int) -> int:
    """The most bytes of address space that a process has had so far; 0 when it is gone."""
    with suppress(OSError):
        found = re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) << 10 if found else 0
    return 0


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Elements(HTMLParser):
    """The elements of a page, in order; the addresses that it leads to; what could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.leads: list[str] = []
        self.active: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("href", "src", "action", "formaction", "srcdoc", "data"):
                self.leads.append(str(value))
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.active.append(f"{tag} {name}")
        if tag in ("script", "style", "img", "iframe", "object", "embed", "base"):
            self.active.append(tag)


def schemes(leads: Sequence[str]) -> set[str]:
    """The schemes of addresses as browsers see them, which leave out white space and controls; empty for those of the site."""
    found = set()
    for lead in leads:
        match = re.match(r"([a-z][a-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", lead).lower())
        found.add(match[1] if match else "")
    return found
