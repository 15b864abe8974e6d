"""Serves the web application: with granian in several processes on Linux, with waitress in one process elsewhere.

Each process makes the application itself, from a `Serving`, after it has started: the parent never does. What is published while
they run is seen by all of them, for each looks at the workspace with every request. The limits are in `limits`.
"""

import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from kgraph.errors import fail
from kgraph.settings import SparqlLimits
from kgraph.web.limits import NAME, Application, Door, Limits

THREADS = 16  # a process; most of them wait for a query, which is evaluated elsewhere
PROCESSES = 4  # at most, unless more are asked for
LIMITS = Limits()
WAITING = 10  # seconds beyond those that a query may take, before its answer counts as stuck
STOPPING = 3  # seconds in which processes finish what they are at


@dataclass(frozen=True)
class Serving:
    """What is served: the folder of a workspace, or one that was prepared from files of data. Plain values, as JSON has them."""

    workspace: str | None = None
    data: str | None = None
    seconds: float | None = None  # that a query may take, where it is not what the settings say

    @property
    def name(self) -> str:
        """What people know it by."""
        return Path(self.workspace).name if self.workspace else "data"


@dataclass(frozen=True)
class Plan:
    """How it is served: the server, its processes, the threads of each, and what strangers may do."""

    server: str
    processes: int
    threads: int = THREADS
    limits: Limits = LIMITS


def make_application(serving: Serving) -> Application:
    """The application over what is served; called in the process that answers. Raises `KgraphError` when it cannot be made."""
    from kgraph.web.app import create_app, create_data_app
    from kgraph.workspace import Workspace

    limits = query_limits(serving)
    if serving.workspace is not None:
        app = create_app(Workspace(Path(serving.workspace)), limits)
    elif serving.data is not None:
        app = create_data_app(Path(serving.data), limits)
    else:
        raise fail("there is nothing to serve", "Name a workspace, or files of data")
    app.extensions["sparql"].pool.start_meanwhile()
    application: Application = app
    return application


def query_limits(serving: Serving) -> SparqlLimits:
    """What queries may do: as the settings say, unless something else was asked for."""
    from kgraph.workspace import Workspace

    limits = Workspace(Path(serving.workspace)).settings.sparql if serving.workspace else SparqlLimits()
    return limits if serving.seconds is None else replace(limits, seconds=serving.seconds)


def plan(server: str | None = None, processes: int | None = None, threads: int | None = None) -> Plan:
    """Fills in what is left open. Raises `KgraphError` for what this machine cannot do."""
    if server is None:
        server = "granian" if _has_granian() else "waitress"
    elif server not in SERVERS:
        raise fail(f"there is no server {server!r}", f"Choose one: {', '.join(SERVERS)}")
    elif server == "granian" and not _has_granian():
        raise fail("granian is not installed, or this is not Linux", "Leave out --server, or choose waitress")
    if server == "waitress" and (processes or 1) > 1:
        raise fail("waitress runs in one process", "Leave out --processes, or choose --server granian")
    if processes is None:
        processes = min(PROCESSES, _cores()) if server == "granian" else 1
    return Plan(server, processes, threads or THREADS)


def serve(serving: Serving, host: str, port: int, how: Plan | None = None) -> None:
    """Serves until it is stopped; prints the address once it listens. Raises `KgraphError` when the address cannot be had."""
    how = how or plan()
    SERVERS[how.server](serving, host, port, how)


def _waitress(serving: Serving, host: str, port: int, how: Plan) -> None:
    import logging

    from waitress.adjustments import Adjustments
    from waitress.task import ThreadedTaskDispatcher

    from kgraph.web.connections import PatientServer

    listener = _bound(host, port)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits for a thread
    settings = Adjustments(
        sockets=[listener],
        max_request_header_size=how.limits.headers,
        max_request_body_size=how.limits.body + 1,  # what it names is refused already
        inbuf_overflow=how.limits.body + 1,  # bodies stay in memory
        connection_limit=how.limits.connections,
        channel_timeout=round(how.limits.patience),
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() ends at 1,024 files
        ident=NAME,
        log_socket_errors=False,  # clients that go are no errors
        clear_untrusted_proxy_headers=True,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(how.threads)
    info = (listener.family, listener.type, listener.proto, listener.getsockname())
    application = Door(make_application(serving), how.threads, reads=False, limits=how.limits)
    server = PatientServer(application, {}, True, listener, dispatcher, settings, info, bind_socket=False)
    server.limits = how.limits
    print(_announcement(serving, host, listener), flush=True)
    with _ended_by_sigterm():
        try:
            server.run()
        finally:
            server.close()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM is as Ctrl-C: waitress ends its threads, and the exit code is 0."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _granian(serving: Serving, host: str, port: int, how: Plan) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    import kgraph.web  # noqa: F401  what all processes need is read once, before they start

    listener = _shared(host, port)
    address, number = listener.getsockname()[:2]
    server = Granian(
        "kgraph",
        address=address,
        port=number,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # a proxy in front speaks HTTP/2, if anybody
        websockets=False,
        workers=how.processes,
        blocking_threads=how.threads + how.limits.bodies,  # those that wait for a body come on top
        backpressure=how.limits.connections,
        http1_settings=HTTP1Settings(header_read_timeout=round(1000 * how.limits.patience), max_buffer_size=how.limits.headers),
        respawn_failed_workers=True,
        workers_kill_timeout=STOPPING,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": _HANDLERS},
        log_access=False,
    )
    asked = threading.Event()
    server.on_startup(partial(_note_signals, asked))
    announcement = _announcement(serving, host, listener)
    threading.Thread(target=_announce, args=(announcement, address, number, asked), daemon=True).start()
    try:
        server.serve(target_loader=partial(_load, serving, how, number, os.getpid()), wrap_loader=False)
    except SystemExit as ended:
        if ended.code and not asked.is_set():
            raise fail("the server's processes ended again and again", "Read above why") from None
    finally:
        asked.set()
        listener.close()


_HANDLERS = {
    name: {"formatter": formatter, "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    for name, formatter in (("console", "generic"), ("access", "access"))
}


def _load(serving: Serving, how: Plan, port: int, parent: int) -> Application:
    """Makes the application, in a process of granian."""
    from kgraph.web.connections import Watch

    os.setpgid(0, 0)  # Ctrl-C is for the parent, which then ends its processes
    silence = max(how.limits.silence, query_limits(serving).seconds + WAITING)
    Watch(port, parent, replace(how.limits, silence=silence)).start()
    return Door(make_application(serving), how.threads, reads=True, limits=how.limits)


def _note_signals(asked: threading.Event) -> None:
    """Notes that granian was asked to end: its exit code may then say that its processes did, too, which is as it should be."""

    def noting(then: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            asked.set()
            then(number, frame)

        return handle

    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):
            signal.signal(number, noting(handler))


def _announce(announcement: str, address: str, port: int, ended: threading.Event) -> None:
    """Says where, once somebody listens there."""
    unspecified = ipaddress.ip_address(address).is_unspecified
    there = ("::1" if ":" in address else "127.0.0.1") if unspecified else address
    while not ended.wait(0.02):
        with suppress(OSError), socket.create_connection((there, port), timeout=1):
            print(announcement, flush=True)
            return


def _bound(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket with the address. Raises `KgraphError` when it cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name != "nt":  # where it would let two servers share an address unawares
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise fail(
            f"cannot listen on {host}:{port} ({error.strerror})", "Choose another with --port, or stop what uses it"
        ) from error
    return listener


def _shared(host: str, port: int) -> socket.socket:
    """A socket that keeps the address for processes that listen each for themselves (SO_REUSEPORT); it does not listen.

    An address that is shared can be had by anybody of the same user. So it is tried alone first, which also finds a free port.
    """
    with _bound(host, port) as alone:
        found = alone.getsockname()
    return _bound(found[0], found[1], shared=True)


def _announcement(serving: Serving, host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"kgraph shows {serving.name} on http://{shown}:{listener.getsockname()[1]}/ (Ctrl-C ends it)"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _has_granian() -> bool:
    if sys.platform != "linux":
        return False
    try:
        import granian  # noqa: F401
    except ImportError:  # a machine for which there is no wheel
        return False
    return True


SERVERS: dict[str, Callable[[Serving, str, int, Plan], None]] = {"granian": _granian, "waitress": _waitress}
