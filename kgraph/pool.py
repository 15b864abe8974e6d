"""Queries of strangers, evaluated in processes of their own, so that none of them can hang or end the server.

A worker reads a store and nothing else: it may use so much memory, has no network, and is killed at the deadline and replaced.
A pool belongs to one process: it starts when it is first asked (a pool made before a server forks would hang), and workers
come from a fork server that has loaded what they need.
"""

import contextlib
import ctypes
import multiprocessing
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from kgraph.channel import Channel
from kgraph.errors import Problem
from kgraph.evaluate import Answer, Question, Unanswered, answer
from kgraph.settings import SparqlLimits
from kgraph.sparqltext import Dataset

STORES = 2  # that a worker keeps open: two versions, while one takes the place of the other
PATIENCE = 2.0  # seconds that a query waits for a worker
SHORT = 0.3  # seconds after which a query is a long one
STARTING = 60.0  # seconds that a worker may take to start
ANSWER = "answer"  # how what a worker tells begins, unless it is the reason why there is none
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # of unshare(2)


class Pool:
    """Workers that answer questions. `limits` say how many, how long, how much."""

    def __init__(self, limits: SparqlLimits) -> None:
        self.limits = limits
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pid = 0
        self._waiting = 0
        self._long = threading.Semaphore(limits.workers - 1)
        self._closed = False

    def ask(self, store: Path, question: Question) -> Answer:
        """The answer of the store in a folder. Raises `Unanswered`; the pool is as good as before, whatever was asked."""
        worker = self._take()
        try:
            worker.send(store, question)
            try:
                found = worker.channel.receive(min(SHORT, self.limits.seconds))
            except TimeoutError:
                found = self._wait_longer(worker)
        except EOFError:
            self._replace(worker)
            most = f"the answer needs more memory than {self.limits.memory_mib:,} MiB, or the query nests too deeply"
            raise Unanswered("memory", Problem(most, "Ask for less")) from None
        except BaseException:
            self._replace(worker)
            raise
        self._idle.put(worker)
        if found[0] == ANSWER:
            return Answer(*found[1:])
        raise Unanswered(found[0], [Problem(**problem) for problem in found[1]])

    def _wait_longer(self, worker: "_Worker") -> tuple[Any, ...]:
        """What a worker tells before the deadline.

        One worker is kept for short queries: a long query too many is given up while others wait.
        """
        end = time.monotonic() + self.limits.seconds - SHORT
        counted = False
        try:
            while (left := end - time.monotonic()) > 0:
                counted = counted or self._long.acquire(blocking=False)
                if not counted and self._waiting:
                    raise _busy("too many long queries are running")
                if worker.channel.is_ready(left if counted else min(left, SHORT)):
                    told: tuple[Any, ...] = worker.channel.receive(SHORT)
                    return told
            raise Unanswered("time", Problem(f"the answer took more than {self.limits.seconds:g} s", "Ask for less"))
        finally:
            if counted:
                self._long.release()

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
                raise _busy("too many queries are running")
            self._waiting += 1
        try:
            return self._idle.get(timeout=min(PATIENCE, self.limits.seconds))
        except queue.Empty:
            raise _busy("other queries are running still") from None
        finally:
            with self._lock:
                self._waiting -= 1

    def _start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._idle = queue.SimpleQueue()
            for worker in [_Worker(self.limits) for _ in range(self.limits.workers)]:
                worker.wait_until_ready()
                self._idle.put(worker)
            self._pid = os.getpid()

    def _replace(self, worker: "_Worker") -> None:
        """Kills a worker and has another made meanwhile: nobody waits who need not, also not until its memory is free again."""
        worker.process.kill()
        threading.Thread(target=self._renew, args=(worker,), daemon=True).start()

    def _renew(self, gone: "_Worker") -> None:
        gone.kill()
        while not self._closed:
            try:
                worker = _Worker(self.limits)
                worker.wait_until_ready()
            except (Unanswered, OSError):  # no memory or no processes left: it is tried again
                time.sleep(1)
            else:
                self._idle.put(worker)
                return


def _busy(found: str) -> Unanswered:
    return Unanswered("busy", Problem(found, "Ask again in a few seconds"))


class _Worker:
    """A process that answers one question after another."""

    def __init__(self, limits: SparqlLimits) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.process = _context().Process(target=serve, args=(theirs, limits), daemon=True)
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Waits until it has started: that is no part of the time that an answer may take."""
        try:
            self.channel.receive(STARTING)
        except (EOFError, TimeoutError):
            self.kill()
            raise _busy("the processes that answer queries do not start") from None

    def send(self, store: Path, question: Question) -> None:
        """Hands a question over. Raises EOFError when the worker is gone."""
        asked = {**question.__dict__, "dataset": (question.dataset.default, question.dataset.named)}
        self.channel.send((str(store), asked))

    def kill(self) -> None:
        """Ends the process, and waits until it has ended."""
        self.process.kill()
        self.process.join()
        self.channel.close()


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")  # Windows: the deadline alone holds there
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kgraph.pool"])
    return context


def serve(end: socket.socket, limits: SparqlLimits) -> None:
    """What a worker does: answers the questions that come at its end of a pair of sockets, until the other is closed."""
    import pyoxigraph as ox

    from kgraph.stores import EmbeddedStore

    _confine()
    threading.Thread(target=_end_with_the_server, args=(end.fileno(),), daemon=True).start()
    channel = Channel(end)
    stores: OrderedDict[str, EmbeddedStore] = OrderedDict()
    told: tuple[Any, ...] = ("ready",)
    while True:
        try:
            channel.send(told)
            folder, asked = channel.receive()
        except EOFError:
            return
        question = Question(**{**asked, "dataset": Dataset(*asked["dataset"])})
        try:
            if folder not in stores:
                stores[folder] = EmbeddedStore(ox.Store.read_only(folder))
                if len(stores) > STORES:
                    stores.popitem(last=False)
                _limit_memory(limits.memory_mib)
            stores.move_to_end(folder)
            found = answer(stores[folder], question)
            told = ANSWER, found.form, found.body, found.whole, found.digest
        except Unanswered as error:
            told = error.reason, [problem.as_dict() for problem in error.problems]
        except OSError as error:
            told = "broken", [Problem(f"the store cannot be read ({error})", "Build it anew: kgraph build").as_dict()]


def _end_with_the_server(end: int) -> None:
    """Ends this process, whatever it is at, when the other socket of the pair is closed: when the server was killed, for one."""
    if hasattr(select, "poll"):
        watch = select.poll()
        watch.register(end, 0)  # for nothing but its end
        watch.poll()
        os.kill(os.getpid(), signal.SIGKILL)


def _confine() -> None:
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
