"""The servers: processes and signals, what strangers may do, and publishing while they answer."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from attacking import eventually
from kgraph.build import build
from kgraph.errors import KgraphError
from kgraph.snapshot import open_published
from kgraph.web import server
from kgraph.web.connections import Seen, too_slow
from kgraph.web.limits import Door, Limits
from kgraph.workspace import Workspace

HERE = Path(__file__).parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="granian is used on Linux alone")
SERVERS = [pytest.param("granian", marks=LINUX), "waitress"]


class Site:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)", line)
        assert found, line
        self.process, self.name, self.port = process, name, int(found[1])

    def connect(self, **options: int) -> socket.socket:
        """A connection. `taking` is how many bytes the kernel takes before anybody reads them."""
        made = socket.socket()
        if "taking" in options:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["taking"])
        made.settimeout(20)
        made.connect(("127.0.0.1", self.port))
        return made

    def raw(self, request: bytes) -> bytes:
        """What is answered to these bytes until the server closes the connection."""
        with self.connect() as connection:
            with suppress(OSError):  # it may close while we still send
                connection.sendall(request)
            return received(connection)

    def status(self, request: bytes) -> int:
        """The status of the answer; 0 when there is none."""
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", self.raw(request))
        return int(found[1]) if found else 0

    def get(self, path: str = "/") -> tuple[int, http.client.HTTPMessage, bytes]:
        """A request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        with closing(connection):
            return answer.status, answer.headers, answer.read()

    def pids(self) -> set[int]:
        """The processes that answer, as many requests tell."""
        return {int(self.get("/static/kgraph.svg")[1]["Test-Pid"]) for _ in range(20)}


def received(connection: socket.socket) -> bytes:
    """All bytes until the end."""
    told = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            told += part
    return told


@contextmanager
def running(name: str, folder: Path, *patient: str) -> Iterator[Site]:
    command = [sys.executable, "-u", str(HERE / "serve_standin.py"), name, str(folder), *patient]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield Site(process, name)
            if process.poll() is None:
                pids = below({process.pid})
                process.terminate()
                assert process.wait(15) == 0
                assert eventually(lambda: not any(alive(pid) for pid in pids))
        finally:
            process.kill()


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest, tiny_built: Workspace) -> Iterator[Site]:
    """The tiny workspace, served impatiently."""
    with running(request.param, tiny_built.folder) as found:
        yield found


@pytest.fixture(scope="module", params=SERVERS)
def steady(
    request: pytest.FixtureRequest, tiny_built: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Workspace]]:
    """A workspace that may be built again, served with the usual limits."""
    folder = tmp_path_factory.mktemp("steady") / "tiny"
    shutil.copytree(tiny_built.folder, folder)
    with running(request.param, folder, "patient") as found:
        yield found, Workspace(folder)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def below(pids: set[int]) -> set[int]:
    """The processes that those have started, and these, and so on."""
    found: set[int] = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(place.read_text().rsplit(")", 1)[1].split()[1])
            if parent in pids:
                found.add(int(place.parent.name))
    return found | below(found) if found else set()


# what is answered


def test_answers_and_says_little_of_itself(site: Site) -> None:
    status, headers, body = site.get()
    assert (status, headers["Server"], headers["Via"]) == (200, "kgraph", None)
    assert b"<title>" in body
    assert site.get("/test/big")[2] == b"x" * 20_000_000
    assert site.get("/test/stream")[2] == b"x" * 20_000_000
    status, headers, body = site.get("/test/raise")
    assert status == 500
    assert b"secret" not in body
    head = site.raw(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")


CLOSE = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
ODD = {
    "dots": (b"GET /static/%2e%2e/%2e%2e/kgraph.toml" + CLOSE + b"\r\n", {404}),
    "plain dots": (b"GET /static/../../../../etc/passwd" + CLOSE + b"\r\n", {404}),
    "backslashes": (b"GET /static/..%5c..%5ckgraph.toml" + CLOSE + b"\r\n", {404}),
    "zero": (b"GET /static/kgraph.css%00" + CLOSE + b"\r\n", {404}),
    "zero in a path": (b"GET /study/%00" + CLOSE + b"\r\n", {404}),
    "raw zero": (b"GET /\x00" + CLOSE + b"\r\n", {400, 404}),
    "bad escape": (b"GET /study/%zz%" + CLOSE + b"\r\n", {404}),
    "bad UTF-8": (b"GET /study/%ff%fe" + CLOSE + b"\r\n", {404}),
    "bad UTF-8 in a query": (b"GET /search?q=%ff%fe%00" + CLOSE + b"\r\n", {200, 400}),
    "surrogates": (b"GET /study/%ed%a0%80" + CLOSE + b"\r\n", {404}),
    "long path": (b"GET /" + b"a/" * 20_000 + CLOSE + b"\r\n", {404}),
    "longer path": (b"GET /" + b"a" * 300_000 + CLOSE + b"\r\n", {414, 431}),
    "absolute": (b"GET http://elsewhere.example/" + CLOSE + b"\r\n", {200}),
    "absolute file": (b"GET file:///etc/passwd" + CLOSE + b"\r\n", {400, 404}),
    "bad authority": (b"GET http://[/" + CLOSE + b"\r\n", {400}),
    "asterisk": (b"OPTIONS *" + CLOSE + b"\r\n", {200, 404}),
    "two slashes": (b"GET //elsewhere.example/%2e%2e" + CLOSE + b"\r\n", {404, 308}),
    "CONNECT": (b"CONNECT a:80" + CLOSE + b"\r\n", {400, 404, 405}),
    "TRACE": (b"TRACE /" + CLOSE + b"\r\n", {405}),
    "unknown method": (b"BREW /" + CLOSE + b"\r\n", {405}),
    "small letters": (b"get /" + CLOSE + b"\r\n", {200, 400, 405}),
    "bad method": (b"G\xc3\x84T /" + CLOSE + b"\r\n", {400}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {200, 400}),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", {200}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {0, 400, 404, 405}),
    "HTTP/9": (b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n", {200, 400}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "both lengths": (b"POST /sparql" + CLOSE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 411}),
    "two lengths": (b"POST /sparql" + CLOSE + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nquery", {400}),
    "odd coding": (b"POST /sparql" + CLOSE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 411, 501}),
    "negative length": (b"POST /sparql" + CLOSE + b"Content-Length: -4\r\n\r\nquery", {400}),
    "signed length": (b"POST /sparql" + CLOSE + b"Content-Length: +4\r\n\r\nquery", {400}),
    "huge length": (b"POST /sparql" + CLOSE + b"Content-Length: 99999999999999999999999999\r\n\r\nquery", {400, 413}),
    "folded": (b"GET /" + CLOSE + b"A: b\r\n c\r\n\r\n", {200, 400}),
    "name with space": (b"GET /" + CLOSE + b"Content-Length : 4\r\n\r\n", {400}),
    "bare carriage return": (b"GET /" + CLOSE + b"A: b\rContent-Length: 4\r\n\r\n", {400}),
    "odd header": (b"GET /" + CLOSE + b"Accept: \xff\xfe\r\nX: \x01\r\n\r\n", {200, 400, 406}),
    "long header": (b"GET /" + CLOSE + b"A: " + b"a" * 300_000 + b"\r\n\r\n", {431}),
    "many headers": (b"GET /" + CLOSE + b"A: a\r\n" * 50_000 + b"\r\n", {431}),
}


def test_odd_requests_are_answered_and_harm_nobody(site: Site) -> None:
    before = site.pids()
    statuses = {name: site.status(request) for name, (request, _) in ODD.items()}
    assert {name: status for name, status in statuses.items() if status not in ODD[name][1]} == {}
    told = b"".join(site.raw(request) for name, (request, _) in ODD.items() if "dots" in name or "slashes" in name)
    assert b"root:" not in told
    assert b"name =" not in told
    assert site.pids() == before
    assert site.get()[0] == 200


# bodies


def post(length: int | None, body: bytes, more: bytes = b"") -> bytes:
    stated = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"POST /test/body" + CLOSE + stated + more + b"\r\n" + body


def test_bodies_are_read_whole_or_refused(site: Site) -> None:
    assert site.raw(post(5, b"query")).endswith(b"\r\nquery")
    whole = site.raw(post(1024 * 1024, b"q" * 1024 * 1024))
    assert whole.count(b"q") == 1024 * 1024
    assert site.status(post(1024 * 1024 + 1, b"q" * 1000)) == 413
    assert site.status(post(None, b"5\r\nquery\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n")) == 411
    assert site.status(post(None, b"zz\r\n", b"Transfer-Encoding: chunked\r\n")) == 411
    site.raw(post(50_000_000, b"q" * 5_000_000))  # who still sends may see a reset instead of the 413
    with site.connect() as connection:
        connection.sendall(post(5, b"", b"Expect: 100-continue\r\n"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"query")
        assert received(connection).endswith(b"query")
    with site.connect() as connection:
        connection.sendall(post(20_000_000, b"", b"Expect: 100-continue\r\n"))
        assert received(connection).startswith(b"HTTP/1.1 413 ")
    with site.connect() as connection:
        connection.sendall(post(5, b"que"))
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in received(connection)[:20]


# slow clients


def test_slow_clients_are_cut_off_and_do_not_stop_others(site: Site) -> None:
    """Six kinds of slowness, 60 connections at a time."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n"
    first = {
        "no headers": b"",
        "headers": get,
        "body": b"POST /test/body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        "whole body never": b"POST /test/body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc",
        "answer": b"GET /test/big HTTP/1.1\r\nHost: a\r\n\r\n",
        "pieces": b"GET /test/stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "idle": get + b"\r\n",
    }
    drops = {"headers": b"X: a\r\n", "body": b"a"}
    open_: dict[socket.socket, str] = {}
    for kind, request in first.items():
        for _ in range(8 if kind != "pieces" else 4):
            connection = site.connect(taking=4096)
            connection.sendall(request)
            connection.setblocking(False)
            open_[connection] = kind
    began = time.monotonic()
    ended: dict[str, float] = {}
    times: list[float] = []
    while open_ and time.monotonic() - began < 15:
        asked = time.monotonic()
        assert site.get("/static/kgraph.svg")[0] == 200
        assert site.raw(post(5, b"query")).endswith(b"\r\nquery")
        times.append(time.monotonic() - asked)
        for connection, kind in list(open_.items()):
            try:
                if kind in drops:
                    connection.send(drops[kind])
                if kind in ("answer", "pieces"):
                    gone = gone_by_now(connection)
                    if not gone:
                        connection.recv(1000)
                else:
                    gone = connection.recv(65536) == b""
            except BlockingIOError:
                continue
            except ConnectionError:
                gone = True
            if gone:
                ended[kind] = time.monotonic() - began
                connection.close()
                del open_[connection]
        time.sleep(0.1)
    left = sorted(open_.values())
    for connection in open_:
        connection.close()
    assert (left, set(ended)) == ([], set(first))
    assert max(ended.values()) < 12, ended
    assert sorted(times)[len(times) // 2] < 1, times  # the longest says more of the machine


def gone_by_now(connection: socket.socket) -> bool:
    """Whether the other side has ended the connection, though there is more to read."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1 if sys.platform == "linux" else False


def test_what_is_too_slow_beside_granian() -> None:
    limits = Limits(patience=10, silence=30, window=30, rate=1000)
    start = Seen(sent_ago=0, received_ago=5, acknowledged=0, received=100, waiting=0, at=0.0)

    def later(at: float, **what: int) -> Seen:
        return start._replace(at=at, **what)

    assert not too_slow(start, start, start, limits)
    waits = later(0, waiting=9)
    assert not too_slow(waits, waits, later(29, waiting=9), limits)
    assert too_slow(waits, waits, later(31, waiting=9, acknowledged=30_000), limits)
    assert not too_slow(waits, waits, later(31, waiting=9, acknowledged=32_000), limits)
    silent = later(29, sent_ago=29_000, received_ago=28_000)
    assert not too_slow(start, silent, silent, limits)
    assert too_slow(start, silent, silent._replace(received=101), limits)
    assert too_slow(start, silent, later(32, sent_ago=32_000, received_ago=31_000), limits)


# the door alone


def test_long_answers_are_limited_and_their_places_come_back() -> None:
    def application(environ: object, start: Callable[..., object]) -> Iterator[bytes]:
        start("200 OK", [])
        yield from (b"a", b"b")

    door = Door(application, 4, False, Limits())
    told: list[str] = []

    def start(status: str, headers: object) -> None:
        told.append(status)

    taken = [door({}, start) for _ in range(2)]
    assert b"".join(door({}, start)).startswith(b"503 ")
    assert [b"".join(answer) for answer in taken] == [b"ab", b"ab"]
    for answer in taken:
        answer.close()
        answer.close()
    assert b"".join(door({}, start)) == b"ab"
    assert told == ["200 OK", "200 OK", "503 Service Unavailable", "200 OK"]


# which server


def test_the_server_is_chosen_for_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for system in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", system)
        assert server.plan() == server.Plan("waitress", 1, server.THREADS)
        with pytest.raises(KgraphError, match="not Linux"):
            server.plan("granian")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(server, "_cores", lambda: 64)
    assert server.plan() == server.Plan("granian", 4, server.THREADS)
    assert server.plan(processes=9, threads=2) == server.Plan("granian", 9, 2)
    assert server.plan("waitress") == server.Plan("waitress", 1, server.THREADS)
    with pytest.raises(KgraphError, match="runs in one process"):
        server.plan("waitress", 2)
    with pytest.raises(KgraphError, match="no server 'apache'"):
        server.plan("apache")
    monkeypatch.setitem(sys.modules, "granian", None)
    assert server.plan().server == "waitress"


def test_the_server_can_be_read_where_little_is_there() -> None:
    """As on Windows, which has no TCP_INFO, process groups or shared ports."""
    code = (
        "import os, socket, sys, flask, waitress.server; "
        "del socket.TCP_INFO, socket.SO_REUSEPORT, os.setpgid, os.sched_getaffinity\n"
        "sys.modules['granian'] = None\n"
        "from kgraph.web import server, connections; sys.platform = 'win32'; print(server.plan())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Plan(server='waitress'" in done.stdout, done.stderr


# processes


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("granian", signal.SIGINT, marks=LINUX),
        pytest.param("granian", signal.SIGKILL, marks=LINUX),
        ("waitress", signal.SIGINT),
    ],
)
def test_signals_end_everything(tiny_built: Workspace, name: str, number: signal.Signals) -> None:
    """SIGTERM too: see `running`."""
    with running(name, tiny_built.folder, "patient") as site:
        if number == signal.SIGKILL:
            assert site.get("/sparql?query=ASK%7B%7D")[0] == 200  # starts the pool of this process
        pids = below({site.process.pid})
        with site.connect() as idle, site.connect() as half:
            idle.sendall(b"GET /static/kgraph.svg HTTP/1.1\r\nHost: a\r\n\r\n")
            half.sendall(b"GET /")
            site.process.send_signal(number)
            code = site.process.wait(12)
    assert code == (0 if number != signal.SIGKILL else -9)
    assert eventually(lambda: not any(alive(pid) for pid in pids)), [pid for pid in pids if alive(pid)]


def test_an_address_that_is_taken_is_refused(steady: tuple[Site, Workspace]) -> None:
    site, workspace = steady
    for name in ("granian", "waitress") if sys.platform == "linux" else ("waitress",):
        with pytest.raises(KgraphError, match=r"cannot listen on 127\.0\.0\.1:\d+ \(Address already in use\)"):
            server.serve(server.Serving(str(workspace.folder)), "127.0.0.1", site.port, server.Plan(name, 1, 1))


def test_processes_share_the_address_and_one_that_dies_is_replaced(steady: tuple[Site, Workspace]) -> None:
    site, _ = steady
    before = site.pids()
    if site.name == "waitress":
        assert before == {site.process.pid}
        return
    while len(before) < 2:  # which of them answers is chance
        before |= site.pids()
    assert site.process.pid not in before
    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: two(site) and killed not in site.pids())
    assert eventually(lambda: before < site.pids())


def two(site: Site) -> bool:
    """Whether two processes answer, in one round of requests. What had reached one that was killed is lost."""
    try:
        return len(site.pids()) == 2
    except ConnectionError:
        return False


# publishing meanwhile


def test_a_new_snapshot_is_seen_by_all_processes_and_no_request_is_lost(steady: tuple[Site, Workspace]) -> None:
    site, copy = steady
    study = copy.study_files()[0]
    old = open_published(copy).version
    stop = threading.Event()
    answers: list[tuple[int, str]] = []
    failures: list[object] = []

    def ask(path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        while not stop.is_set():
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or not body:
                    failures.append((path, answer.status, body[:200]))
                answers.append((int(answer.headers["Test-Pid"]), answer.headers["Kgraph-Version"]))
                if len(answers) % 5 == 0:
                    connection.close()  # the next may come to another process
            except Exception as error:
                failures.append((path, error))
                connection.close()

    paths = ["/", "/study/tiny-2024", "/study/tiny-2024.ttl", "/sparql?query=ASK%7B%7D"] * 2
    askers = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    study.write_text(study.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    new = build(copy).version
    pids = site.pids()
    seen = eventually(lambda: {pid for pid, version in answers if version == new} == pids, 20)
    stop.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert seen, answers
    assert answers[0][1] == old != new
    told = [site.get("/")[1] for _ in range(20)]
    assert {headers["Kgraph-Version"] for headers in told} == {new}
    assert {int(headers["Test-Pid"]) for headers in told} == pids
