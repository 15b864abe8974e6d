"""Twelve queries of death, and a client that asks small things beside them.

    python tests/benchmarks/sparql_killers.py http://127.0.0.1:8000/sparql iris.txt    asks until a line comes on standard input

They are written anew in the spirit of what ended or stopped servers elsewhere: each asks for far more time, memory or depth of
the stack than a server has. The client asks whether something is a work (`ASK`) every ten milliseconds, whether earlier ones are
answered or not, and counts the time from when it was due: a server that stands still for a second spoils a hundred of them.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from sparql_data import CITES, TITLE, WORK
from sparql_peers import RESULTS, Answer, Guard, Server, ask

EVERY = 0.01  # seconds between two small questions
AT_ONCE = 64  # of them that are under way at most
KEPT = (
    2.0  # seconds that a connection is kept without use: Oxigraph sends an error of its own accord on one that is idle for long
)
PATIENCE = 10.0  # seconds until one of them counts as failed
LONGEST = 30.0  # seconds that a killer is waited for
LIMIT = 3.0  # seconds that servers are told to give a query
BEFORE, AFTER = 0.5, 0.5  # seconds of small questions around a killer


def _doubled(function: str, times: int) -> str:
    """BINDs, each of which doubles the text of the one before."""
    return " ".join(f"BIND({function.replace('#', f'?x{n}')} AS ?x{n + 1})" for n in range(times))


PAIR = f"?a <{TITLE}> ?t . ?b <{TITLE}> ?u"
TWICE = 'REPLACE(#, ".", "$0$0")'
KILLERS = {
    "COUNT of a cross join of three": "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "paths of any length both ways": f"SELECT (COUNT(*) AS ?n) WHERE {{ ?a (<{CITES}>|^<{CITES}>)* ?b }}",
    "ORDER BY over a cross join": f"SELECT * WHERE {{ {PAIR} }} ORDER BY DESC(?u) ?t",
    "CONCAT that doubles 40 times": f'SELECT ?x40 WHERE {{ BIND("0123456789" AS ?x0) {_doubled("CONCAT(#, #)", 40)} }}',
    "4,700 parentheses": f"ASK {{ FILTER{'(' * 4700}true{')' * 4700} }}",
    "2,265 braces": f"ASK {'{' * 2265}{'}' * 2265}",
    "420 bytes of nested collections": f"ASK{{?s ?p {'(' * 204}1{')' * 204}}}",
    "GROUP_CONCAT of a cross join": f"SELECT (GROUP_CONCAT(CONCAT(?t, ?u)) AS ?all) WHERE {{ {PAIR} }}",
    "NOT EXISTS, each beside all": f"SELECT (COUNT(*) AS ?n) WHERE {{ ?a <{CITES}> ?b "
    f"FILTER NOT EXISTS {{ ?c <{CITES}> ?d FILTER(STRLEN(CONCAT(STR(?b), STR(?d))) > 1000) }} }}",
    "REPLACE that doubles, then REGEX": f'ASK {{ BIND("aaaa" AS ?x0) {_doubled(TWICE, 30)} '
    'FILTER(REGEX(CONCAT(?x30, "!"), "^((a+)+)+$")) }',
    "DISTINCT over a cross join": "SELECT DISTINCT ?b ?e ?h WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "all of a cross join": "SELECT * WHERE { ?a ?b ?c . ?d ?e ?f }",
}
SLOW = "GROUP_CONCAT of a cross join"  # that takes time alone, so that it lasts as long as it may


@dataclass
class Asks:
    """What came of the small questions: how many, latencies in seconds, how many failed."""

    number: int = 0
    p50: float = 0
    p95: float = 0
    longest: float = 0
    failures: int = 0


@dataclass
class Attack:
    """What a killer did to a server."""

    server: str
    killer: str
    answer: Answer
    before: Asks  # small questions of the moment before, which tell how noisy the machine is
    asks: Asks
    most: float  # memory that its processes held, in MB
    lives: bool
    rests: bool  # whether it is idle again a second after

    @property
    def is_met(self) -> bool:
        """Whether it was met as it should be: an error within the limit plus 0.2 s, or a whole answer within it; nobody else
        waited 50 ms (p95), and no small question failed."""
        told = self.answer.status is not None and self.answer.readable
        return told and self.answer.seconds <= LIMIT + 0.2 and self.lives and not self.asks.failures and self.asks.p95 < 0.05


@dataclass
class Client:
    """Asks small things, one every ten milliseconds."""

    url: str
    iris: list[str]
    told: list[tuple[float, float, bool]] = field(default_factory=list)  # when each was due, how long it took, if it failed
    spare: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = field(default_factory=list)

    async def one(self, place: int, due: float, free: asyncio.Semaphore) -> None:
        """Asks once; on a connection that was kept, or on a new one where there is none or it was closed meanwhile."""
        async with free:
            try:
                async with asyncio.timeout(PATIENCE - min(PATIENCE, time.perf_counter() - due)):
                    answer = await self.exchange(place)
                failed = not answer
            except (TimeoutError, OSError, EOFError, ValueError, IndexError):
                failed = True
        self.told.append((due, time.perf_counter() - due, failed))

    async def exchange(self, place: int) -> bool:
        """Whether a question is answered as it should be."""
        parts = urlsplit(self.url)
        query = f"ASK {{ <{self.iris[place % len(self.iris)]}> a <{WORK}> }} # {place}"
        request = f"GET {parts.path}?query={quote(query)} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: {RESULTS}\r\n\r\n".encode()
        while True:
            kept = bool(self.spare)
            if kept:
                reader, writer, since = self.spare.pop()
                if time.perf_counter() - since > KEPT:
                    writer.close()
                    continue
            else:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                break
            except (OSError, EOFError):
                writer.close()
                if not kept:
                    raise
        try:
            body = await self.body(reader, head)
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head:
            writer.close()
        else:
            self.spare.append((reader, writer, time.perf_counter()))
        return head[9:12] == b"200" and b"true" in body

    async def body(self, reader: asyncio.StreamReader, head: bytes) -> bytes:
        """The body of an answer."""
        if b"transfer-encoding: chunked" in head:
            pieces = []
            while size := int((await reader.readline()).strip(), 16):
                pieces.append((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
            return b"".join(pieces)
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))

    async def run(self) -> None:
        """Asks until a line comes on standard input."""
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        free, tasks, started, place = asyncio.Semaphore(AT_ONCE), set(), time.perf_counter(), 0
        while not ended.done():
            due = started + place * EVERY
            await asyncio.sleep(max(0, due - time.perf_counter()))
            task = asyncio.create_task(self.one(place, due, free))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            place += 1
        await asyncio.gather(*tasks)


@dataclass
class Asking:
    """Small questions that are asked meanwhile, from another process."""

    process: subprocess.Popen[str]
    told: list[tuple[float, float, bool]] = field(default_factory=list)

    def between(self, first: float, last: float) -> Asks:
        """What came of those that were due in a span of the clock (`time.perf_counter`)."""
        found = [one for one in self.told if first <= one[0] <= last]
        times = sorted(seconds for _, seconds, _ in found) or [0.0]
        p50, p95 = (times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95))
        return Asks(len(found), p50, p95, times[-1], sum(failed for _, _, failed in found))


@contextmanager
def asking(server: Server, iris: Path) -> Iterator[Asking]:
    """Asks small things meanwhile; what came of it is there at the end."""
    command = [sys.executable, __file__, server.url, str(iris)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        found = Asking(process)
        assert process.stdout
        process.stdout.readline()  # it has started
        yield found
        told, _ = process.communicate("\n")
        found.told = json.loads(told)


def calm(server: Server, iris: Path, seconds: float = 3) -> Asks:
    """What comes of small questions when nothing else is asked."""
    with asking(server, iris) as asks:
        started = time.perf_counter()
        time.sleep(seconds)
    return asks.between(started, started + seconds)


def attack(server: Server, name: str, iris: Path, together: int = 1) -> Attack:
    """Sends a killer to a server, or several at once, and looks what becomes of the slowest of them and of small questions from
    then until a moment after the end."""
    with Guard(server) as guard, asking(server, iris) as asks:
        time.sleep(BEFORE)
        sent = time.perf_counter()
        with ThreadPoolExecutor(together) as pool:
            answers = list(pool.map(lambda text: ask(server.url, text, LONGEST), [KILLERS[name]] * together))
        answer = max(answers, key=lambda one: one.seconds)
        ended = time.perf_counter() + AFTER
        time.sleep(AFTER)
    lives = server.is_running() and server.lives()
    time.sleep(AFTER)
    rests = lives and server.is_idle()
    answer.body = answer.body[:300]
    name = name if together == 1 else f"{together} at once: {name}"
    return Attack(
        server.name, name, answer, asks.between(sent - BEFORE, sent), asks.between(sent, ended), guard.most, lives, rests
    )


def main() -> None:
    """Asks, and prints what came of it."""
    client = Client(sys.argv[1], Path(sys.argv[2]).read_text().split())
    print(flush=True)
    asyncio.run(client.run())
    print(json.dumps(client.told))


if __name__ == "__main__":
    main()
