"""Connections that are too slow are ended: by a channel of waitress, and by a watch beside granian, which has no such limits.

`limits` says what is too slow.
"""

import contextlib
import errno
import os
import signal
import socket
import stat
import struct
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any, NamedTuple

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.utilities import Error

from kgraph.web.limits import Limits


def _end(connection: socket.socket) -> None:
    """Ends a connection for both sides, with nothing kept of what was not taken, as soon as its owner lets go of it."""
    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.shutdown(socket.SHUT_RDWR)


# waitress


class _LengthRequired(Error):  # type: ignore[misc, unused-ignore]
    code = 411
    reason = "Length Required"


class _Parser(HTTPRequestParser):
    """Refuses bodies in pieces; a request that is refused is not told to continue; and no address is too odd."""

    def received(self, data: bytes) -> int:
        """Takes what came from the client; how much of it belongs to this request."""
        taken = int(super().received(data))
        if self.error is not None:
            self.expect_continue = False
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Reads the headers of a request."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("Bad URI") from error
        if self.chunked:
            self.error = _LengthRequired("State the length of the body (Content-Length).")
            self.body_rcv = None  # the request is complete: nothing more of it is read


class Channel(HTTPChannel):
    """A connection that knows when it is too slow: `channel_timeout` of waitress only sees those that do nothing at all."""

    parser_class = _Parser
    server: "PatientServer"
    _began: float | None = None  # when the request that is not whole yet began
    _full = False  # whether the client has yet to take what was sent before more can be
    _sent = _sent_then = 0
    _then: float | None = None  # since when that is so

    def received(self, data: bytes) -> bool:
        """Takes what came from the client."""
        if self._began is None:
            self._began = time.time()
        going_on = super().received(data)
        if self.request is None:
            self._began = None
        return bool(going_on)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Sends some of an answer; how much of it the client has taken."""
        sent = int(super().send(data, do_close) or 0)
        self._sent += sent
        self._full = sent < len(data)
        if not self._full:
            self._then = None
        return sent

    def late(self, now: float) -> bool:
        """Whether the connection is to be ended."""
        limits = self.server.limits
        if self._full and self.total_outbufs_len:
            if self._then is None or now - self._then > limits.window:
                slow = self._then is not None and self._sent - self._sent_then < limits.rate * (now - self._then)
                self._then, self._sent_then = now, self._sent
                return slow
            return False
        if self._began is not None and self.request is not None:
            return now - self._began > limits.patience * (2 if self.request.headers_finished else 1)
        return not self.requests and now - self.last_activity > limits.patience


class PatientServer(TcpWSGIServer):
    """waitress, with such connections."""

    channel_class = Channel
    limits = Limits()

    def maintenance(self, now: float) -> None:
        """Ends connections that are too slow."""
        channels: Any = self.active_channels
        for channel in list(channels.values()):
            if channel.late(now):
                channel.will_close = True  # alone, it waits until more can be sent, which may be never
                with contextlib.suppress(OSError):
                    _end(channel.socket)


# granian


class Seen(NamedTuple):
    """What the kernel says of a connection (`struct tcp_info`, Linux 4.1 and later; times are milliseconds ago)."""

    sent_ago: int
    received_ago: int
    acknowledged: int  # bytes
    received: int  # bytes
    waiting: int  # segments on their way, or bytes not sent yet: 0 when all is taken
    at: float


def look(connection: socket.socket) -> Seen:
    """Asks the kernel. Raises `OSError` when it is no TCP connection, or no longer."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 148)
    unacknowledged, sent_ago, received_ago = (struct.unpack_from("=I", told, place)[0] for place in (24, 44, 52))
    acknowledged, received = struct.unpack_from("=QQ", told, 120)
    unsent = struct.unpack_from("=I", told, 144)[0]
    return Seen(sent_ago, received_ago, acknowledged, received, unacknowledged + unsent, time.monotonic())


def too_slow(first: Seen, before: Seen, now: Seen, limits: Limits) -> bool:
    """Whether to end a connection, from what was seen when an answer began to wait, the last time, and now.

    granian itself ends one that sends no whole headers, or no further request, in time. So on one on which nothing is sent for
    longer, an answer is computed, while the client is silent; or the client takes its time to send a body.
    """
    if now.waiting:
        return _past(first, now, limits) and now.acknowledged - first.acknowledged < limits.rate * (now.at - first.at)
    patience = 1000 * limits.patience
    if now.sent_ago <= 1.5 * patience:
        return False
    still_sending = before.sent_ago > patience and now.received > before.received
    return still_sending or min(now.sent_ago, now.received_ago) > 1000 * limits.silence


def _past(first: Seen, now: Seen, limits: Limits) -> bool:
    return now.at - first.at > limits.window


class Watch(Thread):
    """Runs in a process of granian: ends connections that are too slow, and the process when its parent is gone."""

    def __init__(self, port: int, parent: int, limits: Limits) -> None:
        super().__init__(name="kgraph-watch", daemon=True)
        self._port = port
        self._parent = parent
        self._limits = limits
        self._seen: dict[Any, tuple[Seen, Seen]] = {}

    def run(self) -> None:
        """Looks again and again, for as long as the process lives."""
        while os.getppid() == self._parent:
            time.sleep(min(1.0, self._limits.patience / 10))
            self._round()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2)
        os._exit(1)

    def _round(self) -> None:
        seen: dict[Any, tuple[Seen, Seen]] = {}
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError), _held(int(name)) as connection:
                if connection.type != socket.SOCK_STREAM or connection.family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                peer = connection.getpeername()
                if connection.getsockname()[1] != self._port:
                    continue
                now = look(connection)
                first, before = self._seen.get(peer, (now, now))
                if too_slow(first, before, now, self._limits):
                    _end(connection)
                    continue
                fresh = not (now.waiting and before.waiting) or _past(first, now, self._limits)
                seen[peer] = (now if fresh else first, now)
        self._seen = seen


@contextlib.contextmanager
def _held(number: int) -> Iterator[socket.socket]:
    """A socket of this process by its file descriptor, which may be closed or used anew at any time: hence the duplicate.

    Raises `OSError` when it is none.
    """
    copy = os.dup(number)
    try:
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            raise OSError(errno.ENOTSOCK, "not a socket")
        connection = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with connection:
        yield connection
