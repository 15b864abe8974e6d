"""Messages between a server and the processes that answer queries, over a pair of sockets.

A small message costs each side one call of the system, which is what most of the time of a small query goes to otherwise:
`multiprocessing.Connection` needs three to read one within a deadline.
"""

import marshal
import multiprocessing.connection
import socket
import struct
import time
from typing import Any

_HEAD = 8  # bytes that say how long a message is
_AT_ONCE = 1 << 16
_REST = 60.0  # seconds in which the rest of a message must follow its beginning


class Channel:
    """One end. Messages are of plain values, as `marshal` takes them: both ends are of one program and one Python."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._patience: float | None = None

    def send(self, message: Any) -> None:
        """Sends a message. Raises EOFError when the other end is closed."""
        content = marshal.dumps(message)
        try:
            self.end.sendall(len(content).to_bytes(_HEAD, "little") + content)
        except OSError as error:
            raise EOFError from error

    def receive(self, seconds: float | None = None) -> Any:
        """The next message. Raises EOFError when the other end is closed, TimeoutError when nothing comes for so long."""
        self._wait_at_most(seconds)
        try:
            got: bytes | bytearray = self.end.recv(_AT_ONCE)
            if not got:
                raise EOFError
            if len(got) < _HEAD or len(got) < _HEAD + int.from_bytes(got[:_HEAD], "little"):
                got = self._rest(bytearray(got))
        except BlockingIOError as error:
            raise TimeoutError from error
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError from error
        return marshal.loads(memoryview(got)[_HEAD:])  # noqa: S302 from the other end of our own

    def is_ready(self, seconds: float) -> bool:
        """Waits so long, to the millisecond, for a message or the end: the time-outs of sockets are off by a tenth."""
        return bool(multiprocessing.connection.wait([self.end], seconds))

    def close(self) -> None:
        """Closes this end, which the other end notices."""
        self.end.close()

    def _rest(self, got: bytearray) -> bytearray:
        end = time.monotonic() + _REST
        while len(got) < _HEAD or len(got) < _HEAD + int.from_bytes(got[:_HEAD], "little"):
            try:
                piece = self.end.recv(1 << 20)
            except (BlockingIOError, TimeoutError):
                if time.monotonic() > end:
                    raise EOFError from None
                continue
            if not piece:
                raise EOFError
            got += piece
        return got

    def _wait_at_most(self, seconds: float | None) -> None:
        """The system counts the time: Python's own time-outs ask it twice for each message."""
        if seconds == self._patience:
            return
        self._patience = seconds
        if hasattr(socket, "AF_UNIX"):
            whole = int(seconds or 0)
            micro = 0 if seconds is None else max(1, int((seconds - whole) * 1_000_000))
            self.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, micro))
        else:  # Windows
            self.end.settimeout(seconds)
