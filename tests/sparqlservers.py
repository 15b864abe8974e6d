"""SPARQL servers for tests: a real Oxigraph, a real Virtuoso, and a stand-in that answers badly."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

OXIGRAPH = Path(sys.executable).with_name("oxigraph")
FOREIGN = "https://elsewhere.example/graph"  # what somebody else has on a server
ALIKE = "https://w3id.org/kgraph/graph/study/of-others#0123456789abcdef"  # likewise, by a name such as ours
VIRTUOSO_INI = """
[Database]
DatabaseFile = {0}/virtuoso.db
ErrorLogFile = {0}/virtuoso.log
LockFile = {0}/virtuoso.lck
TransactionFile = {0}/virtuoso.trx
xa_persistent_file = {0}/virtuoso.pxa
FileExtend = 200
[TempDatabase]
DatabaseFile = {0}/temp.db
TransactionFile = {0}/temp.trx
[Parameters]
ServerPort = 127.0.0.1:{1}
DirsAllowed = {0}
NumberOfBuffers = 10000
CheckpointInterval = 0
[HTTPServer]
ServerPort = 127.0.0.1:{2}
ServerRoot = {0}
[SPARQL]
ResultSetMaxRows = 1000000
"""


@dataclass(frozen=True)
class Sparql:
    """A server: its name, the addresses of its services, and the environment that it wants."""

    name: str
    query: str
    update: str
    graph_store: str
    environment: tuple[tuple[str, str], ...] = ()

    def settings(self, by_updates: bool = False) -> str:
        """The [store] of kgraph.toml, with the Graph Store Protocol or without."""
        lines = ["[store]", f'query = "{self.query}"', f'update = "{self.update}"']
        return "\n".join(lines if by_updates else [*lines, f'graph-store = "{self.graph_store}"']) + "\n"

    def run(self, update: str) -> None:
        """Runs an update, as somebody else would."""
        login = dict(self.environment)
        auth = requests.auth.HTTPDigestAuth(login["KGRAPH_STORE_USER"], login["KGRAPH_STORE_PASSWORD"]) if login else None
        headers = {"Content-Type": "application/sparql-update"}
        requests.post(self.update, update.encode(), headers=headers, auth=auth, timeout=60).raise_for_status()

    def graphs(self) -> dict[str, int]:
        """All graphs of the server that have triples, with the number of these; Virtuoso's own left out."""
        query = "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g"
        headers = {"Accept": "application/sparql-results+json"}
        answer = requests.post(self.query, {"query": query}, headers=headers, timeout=60)
        rows = answer.json()["results"]["bindings"]
        own = ("http://www.openlinksw.com/", "http://localhost:8890/", "http://www.w3.org/", "urn:activitystreams", "virtrdf")
        return {row["g"]["value"]: int(row["n"]["value"]) for row in rows if not row["g"]["value"].startswith(own)}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def oxigraph(folder: Path) -> Iterator[Sparql]:
    """An Oxigraph server with an empty store."""
    address = f"http://127.0.0.1:{free_port()}"
    command = [str(OXIGRAPH), "serve", "-l", str(folder), "-b", address.removeprefix("http://")]
    with _running(command, folder, f"{address}/query"):
        yield Sparql("oxigraph", f"{address}/query", f"{address}/update", f"{address}/store")


@contextmanager
def virtuoso(folder: Path) -> Iterator[Sparql]:
    """A Virtuoso server with an empty store."""
    port = free_port()
    (folder / "virtuoso.ini").write_text(VIRTUOSO_INI.format(folder, free_port(), port), encoding="utf-8")
    address = f"http://127.0.0.1:{port}/sparql"
    command = ["virtuoso-t", "+foreground", "+configfile", str(folder / "virtuoso.ini")]
    login = (("KGRAPH_STORE_USER", "dba"), ("KGRAPH_STORE_PASSWORD", "dba"))  # of every new one
    with _running(command, folder, address):
        yield Sparql("virtuoso", address, f"{address}-auth", f"{address}-graph-crud-auth", login)


@contextmanager
def _running(command: list[str], folder: Path, address: str) -> Iterator[None]:
    with (folder / "told.txt").open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, cwd=folder)
    try:
        for _ in range(300):
            try:
                requests.get(address, {"query": "ASK {}"}, timeout=10)
                break
            except requests.ConnectionError:
                assert process.poll() is None, (folder / "told.txt").read_text()
                time.sleep(0.1)
        else:
            raise AssertionError(f"{command[0]} does not start")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Asked:
    """A request that came to a stand-in."""

    method: str
    service: str  # query, update or store
    target: str
    body: bytes
    headers: dict[str, str]


Answer = Callable[[Asked], bytes | None]


class StandIn:
    """A server that answers with the bytes that `answer` gives for a request, and hands on to another where it gives None.

    `asked` are the requests that came.
    """

    def __init__(self, behind: Sparql | None = None) -> None:
        self.behind = behind
        self.answer: Answer = lambda asked: None
        self.asked: list[Asked] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service = self.path.partition("?")[0].strip("/")
                asked = Asked(self.command, service, self.path.partition("?")[2], body, dict(self.headers))
                owner.asked.append(asked)
                told = owner.answer(asked)
                self.wfile.write(owner.pass_on(asked) if told is None else told)
                self.close_connection = True

            do_PUT = do_POST

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{self.server.server_port}"
        self.sparql = Sparql("stand-in", f"{address}/query", f"{address}/update", f"{address}/store")

    def pass_on(self, asked: Asked, body: bytes | None = None) -> bytes:
        """The answer of the server behind, to the same request or to one with another body."""
        assert self.behind is not None
        address = {"query": self.behind.query, "update": self.behind.update, "store": self.behind.graph_store}[asked.service]
        kept: dict[str, str | bytes] = {name: asked.headers[name] for name in ("Content-Type", "Accept") if name in asked.headers}
        sent = asked.body if body is None else body
        found = requests.request(asked.method, f"{address}?{asked.target}", data=sent, headers=kept, timeout=60)
        return reply(found.status_code, found.content, found.headers.get("Content-Type", "text/plain"))

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def reply(status: int, body: bytes, media: str = "application/sparql-results+json", more: str = "") -> bytes:
    """A whole answer of HTTP."""
    head = f"HTTP/1.1 {status} So\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    return head.encode() + body
