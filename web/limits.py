"""What strangers may ask of the server, the same under granian and under waitress, and the door that holds them to it.

| what | limit | granian | waitress |
|---|---|---|---|
| request line and headers | `headers` bytes | `max_buffer_size`: 431, 414; 100 lines | `max_request_header_size`: 431 |
| body | `body` bytes, of stated length | `Door`: 413, 411 | `max_request_body_size`: 413; `Channel`: 411 |
| time for the headers, and between requests | `patience` s | `header_read_timeout` | `Channel` |
| time for the body | see below | `Watch` | `Channel` |
| bodies on their way | `bodies` a process | `Door`: 503 | not needed: they hold no thread |
| taking the answer | `rate` bytes/s over `window` s | `Watch` | `Channel` |
| connections a process | `connections` | `backpressure` | `connection_limit` |
| long answers at a time | half of the threads | `Door`: 503 | `Door`: 503 |

waitress has a request whole after twice the `patience`, or ends it. granian has no limit for a body, and reading one cannot be
given up: to answer before it has come hangs the process (2.8.9). So it is the connection that is ended: after one and a half
`patience` while the client still sends, after `silence` when it does not, which may be a stalled body or an answer that takes
too long. A body in an unheard-of number of connections at a time can so keep others' bodies out, but no other request.

Bodies in pieces (`Transfer-Encoding: chunked`) are refused with 411: granian hands on a body that was cut off as if it were
whole, which only a stated length betrays; and a request with both lengths is what request smuggling is made of.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from threading import BoundedSemaphore, Semaphore
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How much, and how long."""

    headers: int = 64 * 1024  # bytes
    body: int = 1024 * 1024  # bytes
    patience: float = 10  # seconds; browsers and proxies that keep a connection open ask again, or open another
    silence: float = 30  # seconds without a word from either side, within a request; at least what a query may take, and some
    rate: int = 1024  # bytes a second: what the slowest links people read with take
    window: float = 30  # seconds
    connections: int = 400  # a process: with files and pipes within the usual limit of 1,024 open files
    whole: int = 16 * 1024 * 1024  # an answer up to so many bytes is handed over at once, so that a slow reader holds no thread
    bodies: int = 100  # that a process waits for at a time, each in a thread of its own, which costs little


HEADERS = {
    "Content-Security-Policy": "; ".join(
        ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NAME = "kgraph"
AGAIN = ("Retry-After", "5")

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]


class Door:
    """Stands before the application: refuses bodies that are too long, waits for others but not for ever, hands answers on.

    `threads` is how many requests are answered at a time. `reads` says whether the body is still to be read (granian) or whether
    the server has done it (waitress).
    """

    def __init__(self, application: Application, threads: int, reads: bool, limits: Limits) -> None:
        self._application = application
        self._reads = reads
        self._limits = limits
        self._bodies = BoundedSemaphore(limits.bodies)
        self._long = BoundedSemaphore(max(1, threads // 2))

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answers a request, as WSGI (PEP 3333) has it."""
        if self._reads:
            if "HTTP_TRANSFER_ENCODING" in environ:
                return self._refuse(start, "411 Length Required", "State the length of the body (Content-Length).")
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if length > self._limits.body:
                return self._refuse(start, "413 Content Too Large", f"A body may have {self._limits.body} bytes.")
            if length:
                if not self._bodies.acquire(blocking=False):
                    return self._refuse(start, "503 Service Unavailable", "Too many bodies are coming in. Try again.", AGAIN)
                try:
                    body = environ["wsgi.input"].read(length)
                finally:
                    self._bodies.release()
                if len(body) < length:
                    return self._refuse(start, "400 Bad Request", "The body ends too early.")
                environ["wsgi.input"] = BytesIO(body)
        return self._answer(environ, start)

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        head: list[Any] = []

        def remember(status: str, headers: list[tuple[str, str]], problem: Any = None) -> None:
            head[:] = [status, headers]

        parts = self._application(environ, remember)
        if isinstance(parts, list):
            start(head[0], self._named(head[1]))
            return parts
        pieces = iter(parts)
        first = next(pieces, b"")  # what runs only now says its head only now
        length = next((int(value) for name, value in head[1] if name.lower() == "content-length"), None)
        if length is not None and length <= self._limits.whole:
            try:
                whole = [first, *pieces]
            finally:
                _close(parts)
            start(head[0], self._named(head[1]))
            return whole
        if not self._long.acquire(blocking=False):
            _close(parts)
            return self._refuse(start, "503 Service Unavailable", "Others take long answers now. Try again.", AGAIN)
        start(head[0], self._named(head[1]))
        return _Long(first, pieces, parts, self._long)

    def _refuse(self, start: Start, status: str, message: str, *headers: tuple[str, str]) -> list[bytes]:
        body = f"{status}\n{message}\n".encode()
        length = ("Content-Length", str(len(body)))
        plain = [("Content-Type", "text/plain; charset=utf-8"), length, *HEADERS.items(), *headers]
        start(status, self._named(plain))
        return [body]

    def _named(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """With a name instead of granian's; waitress gives it of itself."""
        return [*headers, ("Server", NAME)] if self._reads else headers


class _Long:
    """A long answer, piece by piece; gives its place free when it ends."""

    def __init__(self, first: bytes, pieces: Iterator[bytes], whole: object, places: Semaphore) -> None:
        self._first: bytes | None = first
        self._pieces = pieces
        self._whole = whole
        self._places: Semaphore | None = places

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._pieces)

    def close(self) -> None:
        """Ends the answer, whole or not."""
        places, self._places = self._places, None
        if places is not None:
            places.release()
            _close(self._whole)


def _close(parts: object) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
