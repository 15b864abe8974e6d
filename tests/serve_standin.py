"""Serves a workspace as `kgraph serve` does, but impatiently, and with what only tests need.

    python serve_standin.py SERVER FOLDER [patient]

Every answer names its process (`Test-Pid`). `/test/big` is a long answer of stated length, `/test/stream` one in pieces,
`/test/raise` an error nobody foresaw.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from kgraph.web import server
from kgraph.web.limits import Application, Limits

LIMITS = Limits(patience=1.5, silence=4, window=2, rate=200_000, whole=30_000_000, bodies=40)
BIG = 20_000_000  # more than the kernel's buffers take
real = server.make_application


def make_application(serving: Any) -> Application:
    """The application and those additions."""
    application = real(serving)

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        def told(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            return start(status, [*headers, ("Test-Pid", str(os.getpid()))])

        match environ["PATH_INFO"]:
            case "/test/big":
                told("200 OK", [("Content-Length", str(BIG))])
                return [b"x" * BIG]
            case "/test/stream":
                told("200 OK", [])
                return pieces()
            case "/test/raise":
                raise RuntimeError("the secret of the traceback")
            case "/test/body":
                told("200 OK", [])
                return [environ["wsgi.input"].read()]
        answered: Iterable[bytes] = application(environ, told)
        return answered

    return answer


def pieces() -> Iterator[bytes]:
    """As long."""
    for _ in range(BIG // 100_000):
        yield b"x" * 100_000


server.WAITING = 3
server.make_application = make_application  # here, for a process that is spawned reads this module anew

if __name__ == "__main__":
    name, folder, *patient = sys.argv[1:]
    plan = server.Plan(name, 2 if name == "granian" else 1, 4, Limits() if patient else LIMITS)
    server.serve(server.Serving(workspace=folder, seconds=None if patient else 1), "127.0.0.1", 0, plan)
