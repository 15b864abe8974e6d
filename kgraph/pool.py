"""Queries of strangers, evaluated in processes of their own, so that none of them can hang or end the server.

A worker reads a store and nothing else: it may use so much memory, has no network, and is killed at the deadline and replaced.
A pool belongs to one process: it starts when it is first asked (a pool made before a server forks would hang), and workers
come from a fork server that has loaded what they need.
"""

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import queue
import select
import signal
import sys
import threading
import time
from collections import OrderedDict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kgraph.errors import Problem
from kgraph.evaluate import Answer, Question, Unanswered, answer
from kgraph.settings import SparqlLimits

STORES = 2  # that a worker keeps open: two versions, while one takes the place of the other
PATIENCE = 2.0  # seconds that a query waits for a worker
STARTING = 60.0  # seconds that a worker may take to start
GRACE = 1.0  # seconds past the limit after which a worker ends itself, should its server be gone
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # of unshare(2)


class Pool:
    """Workers that answer questions. `limits` say how many, how long, how much."""

    def __init__(self, limits: SparqlLimits) -> None:
        self.limits = limits
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._pid = 0
        self._waiting = 0
        self._closed = False

    def ask(self, store: Path, question: Question) -> Answer:
        """The answer of the store in a folder. Raises `Unanswered`; the pool is as good as before, whatever was asked."""
        worker = self._take()
        try:
            worker.send(store, question)
            if not worker.has_answered(self.limits.seconds):
                raise Unanswered("time", Problem(f"the answer took more than {self.limits.seconds:g} s", "Ask for less"))
            found = worker.receive()
        except EOFError:
            code = worker.exit_code()
            self._replace(worker)
            raise self._died(code) from None
        except BaseException:
            self._replace(worker)
            raise
        self._idle.put(worker)
        if isinstance(found, Answer):
            return found
        raise Unanswered(*found)

    def start_meanwhile(self) -> None:
        """Starts the workers in the background, so that the first who asks need not wait; in the process that answers."""
        threading.Thread(target=self._start, daemon=True).start()

    def close(self) -> None:
        """Ends the workers."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().kill()

    def _take(self) -> "_Worker":
        if self._pid != os.getpid():
            self._start()
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            if self._waiting >= self.limits.queue:
                raise Unanswered("busy", Problem("too many queries are running", "Ask again in a few seconds"))
            self._waiting += 1
        try:
            return self._idle.get(timeout=min(PATIENCE, self.limits.seconds))
        except queue.Empty:
            raise Unanswered("busy", Problem("other queries are running still", "Ask again in a few seconds")) from None
        finally:
            with self._lock:
                self._waiting -= 1

    def _start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._idle = queue.LifoQueue()
            for worker in [_Worker(self.limits) for _ in range(self.limits.workers)]:
                worker.wait_until_ready()
                self._idle.put(worker)
            self._pid = os.getpid()

    def _replace(self, worker: "_Worker") -> None:
        """Kills a worker and has another made meanwhile: nobody waits for it who need not."""
        worker.kill()
        threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while not self._closed:
            try:
                worker = _Worker(self.limits)
                worker.wait_until_ready()
            except (Unanswered, OSError):  # no memory or no processes left: it is tried again
                time.sleep(1)
            else:
                self._idle.put(worker)
                return

    def _died(self, code: int | None) -> Unanswered:
        if code == -signal.SIGPROF:
            return Unanswered(
                "time", Problem(f"the answer took more than {self.limits.seconds:g} s of computing", "Ask for less")
            )
        most = f"{self.limits.memory_mib:,} MiB"
        return Unanswered(
            "memory", Problem(f"the answer needs more memory than {most}, or the query nests too deeply", "Ask for less")
        )


class _Worker:
    """A process that answers one question after another."""

    def __init__(self, limits: SparqlLimits) -> None:
        context = _context()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, limits), daemon=True)
        self.process.start()
        theirs.close()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll:
            self._poll.register(self.connection.fileno(), select.POLLIN)

    def has_answered(self, seconds: float) -> bool:
        """Waits so long for something to read, or for the end of the pipe (`Connection.poll` costs ten times as much)."""
        return bool(self._poll.poll(seconds * 1000)) if self._poll else bool(self.connection.poll(seconds))

    def wait_until_ready(self) -> None:
        """Waits until it has started: that is no part of the time that an answer may take."""
        if not self.has_answered(STARTING):
            self.kill()
            raise Unanswered("busy", Problem("the processes that answer queries do not start", "Ask again later"))
        with contextlib.suppress(EOFError):
            self.receive()

    def send(self, store: Path, question: Question) -> None:
        try:
            self.connection.send_bytes(pickle.dumps((str(store), question)))
        except OSError as error:
            raise EOFError from error

    def receive(self) -> Any:
        try:
            return pickle.loads(self.connection.recv_bytes())  # noqa: S301 what our own worker made
        except OSError as error:
            raise EOFError from error

    def exit_code(self) -> int | None:
        self.process.join(1)
        code: int | None = self.process.exitcode
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")  # Windows: the deadline alone holds there
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kgraph.pool"])
    return context


def serve(connection: Connection, limits: SparqlLimits) -> None:
    """What a worker does: answers questions until the pipe is closed."""
    import pyoxigraph as ox

    from kgraph.stores import EmbeddedStore

    _confine(limits)
    stores: OrderedDict[str, EmbeddedStore] = OrderedDict()
    connection.send_bytes(pickle.dumps("ready"))
    while True:
        try:
            folder, question = pickle.loads(connection.recv_bytes())  # noqa: S301 from our own server
        except (EOFError, OSError):
            return
        _alarm(limits.seconds)
        try:
            if folder not in stores:
                stores[folder] = EmbeddedStore(ox.Store.read_only(folder))
                if len(stores) > STORES:
                    stores.popitem(last=False)
                _limit_memory(limits.memory_mib)
            stores.move_to_end(folder)
            told: Any = answer(stores[folder], question)
        except Unanswered as error:
            told = error.reason, error.problems
        except OSError as error:
            told = "broken", [Problem(f"the store cannot be read ({error})", "Build it anew: kgraph build")]
        _alarm(0)
        connection.send_bytes(pickle.dumps(told))


def _confine(limits: SparqlLimits) -> None:
    """There is no network, and a worker dies in silence."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends its workers
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with contextlib.suppress(AttributeError, OSError):  # where the system allows it: what refuses SERVICE is not this alone
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NET)


def _limit_memory(mib: int) -> None:
    """Gives this process so much memory beyond what it has by now: an open store alone takes 400 MiB of addresses."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits there
        import resource

        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + (mib << 20), resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alarm(seconds: float) -> None:
    """Ends this process some time after the limit, should nobody else (their default action); 0 takes that back."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE if seconds else 0)
        signal.setitimer(signal.ITIMER_PROF, seconds + GRACE / 2 if seconds else 0)
