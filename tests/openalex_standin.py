"""A stand-in OpenAlex: a real HTTP server on a loopback port that behaves as the API was recorded and published in 2026.

    with stand_in() as address:                                   # the 200 recorded works
        urlopen(f"{address}/works?filter=publication_year:2018")
        assert address.requests[0].query["filter"] == "publication_year:2018"

    with stand_in(misbehave=["cut", Fault("storm", 502, times=3, after=2)], budget=5) as address: ...

    python tests/openalex_standin.py --port 8765 [--works FILE] [--made-up [FILE]] [--misbehave storm=502,times=3,after=2]

`address` is a string, and knows the requests that came (`requests`), what they cost (`credits`), and how to begin
(`misbehave`) and end (`behave`) misbehaviour. What can be asked is in `openalex_standin_query`, the filters in
`openalex_standin_filters`, keys, prices and the 429s in `openalex_standin_limits`, misbehaviour in `openalex_standin_faults`.
"""

import argparse
import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from openalex_standin_answers import (
    DATA,
    Answer,
    RefusedError,
    Work,
    Works,
    bad_query,
    error,
    made_up_works,
    not_found,
    read_works,
    real_works,
    recorded,
)
from openalex_standin_faults import MISBEHAVIOURS, Fault, Faults, Running, Turn
from openalex_standin_limits import ANONYMOUS, FREE, KEYS, PAID, Limits, Plan, price
from openalex_standin_query import autocomplete, list_works, one_work

__all__ = [
    "ANONYMOUS",
    "FREE",
    "KEYS",
    "MISBEHAVIOURS",
    "PAID",
    "Address",
    "Asked",
    "Fault",
    "Plan",
    "made_up_works",
    "main",
    "read_works",
    "real_works",
    "stand_in",
]

LONGEST_REQUEST_LINE = 8190
ALWAYS = {
    name: value
    for name, value in recorded("headers")["list_cursor_200_results"]["headers"].items()
    if name.startswith("access-control-") or name in ("via", "cf-cache-status")
}


@dataclass(frozen=True)
class Asked:
    """A request that came: as it was sent (`target`, `path`), as it was understood (`query`), and what became of it.

    `headers` have lower-case names; `at` is a monotonic time in seconds, to check the pace; `credits` is what it cost in the end.
    """

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int
    credits: int
    at: float


class Server(ThreadingHTTPServer):
    """The HTTP server: answers, records, and hangs up on everybody when it is closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, works: Iterable[Work], limits: Limits, older_paging: bool, verbose: bool) -> None:
        self.works = Works(works)
        self.limits = limits
        self.older_paging = older_paging
        self.verbose = verbose
        self.faults = Faults()
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._changed: dict[tuple[str, ...], Works] = {}
        super().__init__(("127.0.0.1", port), Handler)

    def respond(self, method: str, target: str, headers: dict[str, str]) -> Answer:
        """The answer to a request, which is recorded."""
        began = time.monotonic()
        path, _, text = target.partition("?")
        pairs = parse_qsl(text, keep_blank_values=True)
        query = dict(pairs)
        with self.lock:
            striking = self.faults.striking()
        cost = 0
        try:
            account = self.limits.account(query, headers)
            turn = Turn(path, query, account, price(path, query), self.limits)
            answer, cost = self._answer(method, target, pairs, turn, striking)
            if answer.status != 429:
                answer = replace(answer, headers={**self.limits.headers(account, cost), **answer.headers})
        except RefusedError as refused:  # a key that is not known
            answer = refused.answer
        with self.lock:
            self.asked.append(Asked(method, target, path, query, headers, answer.status, cost, began))
        return answer

    def _answer(
        self, method: str, target: str, pairs: list[tuple[str, str]], turn: Turn, striking: list[Running]
    ) -> tuple[Answer, int]:
        """The answer after all misbehaviour, and what it costs: an error costs nothing."""
        charged = 0
        try:
            self.limits.charge(turn.account, turn.query, turn.credits)
            charged = turn.credits
            refuse_request(method, target, pairs)
            answer = self._route(turn, self._works(striking))
        except RefusedError as refused:
            answer = refused.answer
        for each in striking:
            answer = each.misbehaviour.answer(answer, each.value, turn)
        if answer.status < 400:
            return answer, charged
        self.limits.refund(turn.account, charged)
        return answer, 0

    def _route(self, turn: Turn, works: Works) -> Answer:
        """The answer by path."""
        path = unquote(turn.path)
        if path == "/works":
            return Answer(payload=list_works(works, turn.query, turn.credits, self.older_paging))
        if path.startswith("/works/"):
            return one_work(works, path.removeprefix("/works/"), turn.query)
        if path == "/autocomplete/works":
            return Answer(payload=autocomplete(works, turn.query))
        if path == "/rate-limit" and turn.account.name:
            return Answer(payload=self.limits.status(turn.account))
        if path == "/rate-limit":
            return error(401, "Authentication required", "You must provide a valid API key to check rate limit status")
        return not_found()

    def _works(self, striking: list[Running]) -> Works:
        """The works as the faults make them look."""
        changes = [each for each in striking if each.misbehaviour.record]
        key = tuple(f"{each.fault.name}={each.value}" for each in changes)
        if changes and key not in self._changed:
            records: list[Work] = self.works.records
            for each in changes:
                change = each.misbehaviour.record
                assert change
                records = [work for old in records if (work := change(old, each.value)) is not None]
            self._changed[key] = Works(records)
        return self._changed[key] if changes else self.works

    def get_request(self) -> tuple[socket.socket, Any]:
        """Keeps the connection in mind, to be able to hang up."""
        connection, client = super().get_request()
        self._open.add(connection)
        return connection, client

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stops, and ends the connections that clients keep open."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; everything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 for the server."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answers; any other method gets here, too, and is refused by the server."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.server.respond(self.command, self.path, headers)
        if answer.sent <= 0:
            self.close_connection = True
            return
        body = answer.body
        self.send_response(answer.status)
        if "gzip" in headers.get("accept-encoding", "") and len(body) > 500:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        for name, value in {"Content-Type": answer.content_type, **ALWAYS, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self._send(body, answer)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, body: bytes, answer: Answer) -> None:
        """Sends the body as slowly, and as much of it, as the answer says."""
        whole, body = len(body), body[: int(len(body) * answer.sent)]
        step = -(-whole // 10) if answer.pause else whole
        for start in range(0, len(body), step or 1):
            self.wfile.flush()
            if answer.pause and self.server.closing.wait(answer.pause):
                break
            self.wfile.write(body[start : start + step])
        if len(body) < whole or self.server.closing.is_set():
            self.close_connection = True

    def version_string(self) -> str:
        """The name in the Server header."""
        return "cloudflare"

    def log_message(self, format: str, *args: Any) -> None:
        """Prints the request when a person runs the stand-in."""
        if self.server.verbose:
            print(format % args, file=sys.stderr, flush=True)


def refuse_request(method: str, target: str, pairs: list[tuple[str, str]]) -> None:
    """Refuses what is wrong with a request before anyone looks at its parameters."""
    if method not in ("GET", "HEAD"):
        raise RefusedError(Answer(405, html=b"Method Not Allowed"))
    size = len(f"{method} {target} HTTP/1.1".encode())
    if size > LONGEST_REQUEST_LINE:
        message = f"Your request URL is {size} bytes, over the {LONGEST_REQUEST_LINE}-byte limit (roughly 8 KB)."
        raise RefusedError(error(400, "Request URL too long", message))
    if sum(name == "filter" for name, _ in pairs) > 1:
        raise bad_query(
            "Only one filter parameter is allowed. Your URL contains filters like: "
            "/works?filter=publication_year:2020&filter=is_open_access:true. Combine and separate filters with a comma, like: "
            "/works?filter=publication_year:2020,is_open_access:true."
        )


class Address(str):
    """The address of a running stand-in (`http://127.0.0.1:PORT`), with what it was asked."""

    server: Server

    def __new__(cls, server: Server) -> "Address":
        """The address of a server."""
        made = super().__new__(cls, f"http://127.0.0.1:{server.server_address[1]}")
        made.server = server
        return made

    @property
    def requests(self) -> list[Asked]:
        """The requests so far, in the order in which they were answered."""
        with self.server.lock:
            return list(self.server.asked)

    @property
    def credits(self) -> int:
        """What all requests so far cost."""
        return sum(asked.credits for asked in self.requests)

    def misbehave(self, *faults: str | Fault) -> None:
        """Begins misbehaviour, beside what is under way; `after` and `times` count from now."""
        with self.server.lock:
            self.server.faults.start(faults)

    def behave(self) -> None:
        """Ends all misbehaviour."""
        with self.server.lock:
            self.server.faults.running.clear()


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@contextmanager
def stand_in(
    works: Iterable[Work] | Path | None = None,
    misbehave: str | Fault | Iterable[str | Fault] = (),
    *,
    keys: Mapping[str, Plan] = KEYS,
    budget: int | None = None,
    per_second: int | None = None,
    older_paging: bool = False,
    clock: Callable[[], datetime] = utc_now,
    port: int = 0,
    verbose: bool = False,
) -> Iterator[Address]:
    """Runs a stand-in and gives its address; it ends with the block.

    `works`: records or a file of them (`.jsonl`, `.jsonl.gz`), by default the 200 recorded ones. `misbehave`: names of
    `MISBEHAVIOURS`, or `Fault`s. `keys`: API keys with their plans; without a key it is `ANONYMOUS`. `budget` and `per_second`:
    credits a day and requests a second for everybody instead of those of the plans. `older_paging`: a cursor on the
    short last page, too, and then an empty page. `clock`: the time in UTC, by which the budget starts anew. `port`: 0 takes a
    free one. Raises `OSError` if the port is taken.
    """
    records = real_works() if works is None else read_works(works) if isinstance(works, Path) else works
    server = Server(port, records, Limits(keys, budget, per_second, clock), older_paging, verbose)
    address = Address(server)
    address.misbehave(*([misbehave] if isinstance(misbehave, str | Fault) else misbehave))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield address
    finally:
        server.close()


def read_fault(text: str) -> Fault:
    """A fault from the command line; says what is wrong with it."""
    if text.partition("=")[0].partition(",")[0] not in MISBEHAVIOURS:
        raise argparse.ArgumentTypeError(f"no misbehaviour {text!r}; there are: {', '.join(MISBEHAVIOURS)}")
    try:
        return Fault.read(text)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"not NAME[=VALUE][,times=N][,after=N]: {text!r}") from None


def main() -> None:
    """Runs the stand-in for a person until Ctrl-C."""
    usual = {name: "" if each.usual is None else f"={each.usual or 'W1+W2'}" for name, each in MISBEHAVIOURS.items()}
    kinds = "\n".join(f"  {name + usual[name]:17} {each.says}" for name, each in MISBEHAVIOURS.items())
    parser = argparse.ArgumentParser(
        description="A stand-in OpenAlex on a loopback port.",
        epilog=f"misbehaviours, each NAME[=VALUE][,times=N][,after=N]:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--works", type=Path, metavar="FILE", help="records to serve instead of the 200 recorded ones")
    parser.add_argument(
        "--made-up", type=Path, metavar="FILE", nargs="?", const=DATA / "made-up.jsonl", help="records beside those"
    )
    parser.add_argument("--misbehave", type=read_fault, metavar="NAME", action="append", default=[])
    parser.add_argument("--budget", type=int, metavar="CREDITS", help="credits a day instead of the plans'")
    parser.add_argument("--older-paging", action="store_true", help="end cursors with an empty page")
    given = parser.parse_args()
    options = {"budget": given.budget, "older_paging": given.older_paging, "port": given.port, "verbose": True}
    try:
        works = list(read_works(given.works) if given.works else real_works())
        works += read_works(given.made_up) if given.made_up else []
        with suppress(KeyboardInterrupt), stand_in(works, given.misbehave, **options) as address:
            print(f"{len(works)} works at {address}/works; API keys: {', '.join(KEYS)}; stop with Ctrl-C", flush=True)
            threading.Event().wait()
    except OSError as wrong:
        parser.error(str(wrong))


if __name__ == "__main__":
    main()
