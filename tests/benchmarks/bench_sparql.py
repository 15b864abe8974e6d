"""Measures the SPARQL endpoint beside its peers over the same data, in one run, and prints Markdown tables.

    .venv/bin/python tests/benchmarks/bench_sparql.py                        10,000 synthetic works: 1.5 million triples
    .venv/bin/python tests/benchmarks/bench_sparql.py --works 47000 --folder /tmp/bench     7 million; what is made is kept there
    .venv/bin/python tests/benchmarks/bench_sparql.py --parts killers --servers kgraph,oxigraph

Parts: `load` is a small query (4 kB) and two of 1,000 rows at 8 connections, by a client in a process of its own; `example` the
small query over the example workspace, which kgraph serves with its pages; `killers` are twelve queries of death with small
questions beside them. Peers: Oxigraph's server (of the package `oxigraph`), and rdflib-endpoint on uvicorn (both of PyPI), in
memory and, where oxrdflib is installed too, over the store that Oxigraph's server has.

All servers run while one after another is asked, in alternating rounds; figures are medians of the rounds, and ratios are medians
of the ratios within a round. Times swing from run to run and machine to machine; the ratios are what counts.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

import sparql_data as data
import sparql_killers as killers
import sparql_load
import sparql_peers as peers
from sparql_load import CLIENTS, Load
from sparql_peers import Server

PARTS = "load", "example", "killers"
AIMS = {  # how much faster than a peer, or how much as fast
    ("small", "rdflib-endpoint"): 5,
    ("1,000 rows", "rdflib-endpoint"): 8,
    ("small", "oxigraph"): 0.6,
    ("1,000 rows", "oxigraph"): 1,
}


@dataclass
class Asked:
    """What the command line says."""

    works: int
    rdflib_works: int
    killer_works: int
    rounds: int
    seconds: float
    connections: int
    together: int
    client: str
    parts: Sequence[str]
    servers: Sequence[str]
    kgraph_servers: Sequence[str]
    rdflib_python: str
    folder: Path

    def wants(self, server: Server) -> bool:
        """Whether a server is among those that were named."""
        return any(server.name.startswith(name) for name in self.servers)


@dataclass
class Measured:
    """The rounds of a server with one kind of query, and its time of the processor in each."""

    loads: list[Load] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def kgraph_serves_data() -> bool:
    """Whether this kgraph has the endpoint."""
    shown = subprocess.run([sys.executable, "-m", "kgraph", "serve", "--help"], capture_output=True, text=True)
    return "--data" in shown.stdout


def started(asked: Asked, servers: Sequence[Server], queries: dict[str, list[str]]) -> list[Server]:
    """Starts those that were asked for and looks whether each answers with as many rows as the first."""
    rows: dict[str, list[int]] = {}
    found = [server for server in servers if asked.wants(server)]
    for server in found:
        server.log = asked.folder / f"{server.name.replace(', ', '-')}.log"
        server.start()
        print(f"<!-- {server.name}: answers after {server.took:.1f} s -->", flush=True)
        for kind, texts in queries.items():
            answers = [peers.ask(server.url, text, 60) for text in texts]
            for answer in answers:
                if answer.status != 200 or not answer.readable:
                    raise SystemExit(f"{server.name}, {kind}: {answer.status} {answer.trouble} {answer.body[:300]!r}")
            counts = [answer.body.count(b'"type"') for answer in answers]
            if rows.setdefault(kind, counts) != counts and not server.remark:
                raise SystemExit(f"{server.name}, {kind}: {counts} values, where {found[0].name} has {rows[kind]}")
    return found


def measure(asked: Asked, kinds: Sequence[str], servers: Sequence[Server], file: Callable[[Server, str], Path]) -> None:
    """Loads each server with each kind of query, in alternating rounds, and prints the tables."""
    places: dict[tuple[str, str], int] = {}
    print("\n| query | server | requests/s | p50, ms | p95, ms | kB | failures | server's µs of processor a request |")
    print("|---|---|---|---|---|---|---|---|")
    ratios = []
    for kind in kinds:
        found = {server.name: Measured() for server in servers}
        for turn in range(asked.rounds + 1):
            for server in [*servers[turn % len(servers) :], *servers[: turn % len(servers)]]:
                place = places.get((server.name, kind), 0)
                before = server.processor()
                seconds = asked.seconds if turn else 1  # the first is to warm up
                load = sparql_load.load(asked.client, server.url, file(server, kind), place, asked.connections, seconds)
                places[server.name, kind] = place + load.requests + asked.connections
                if turn:
                    found[server.name].loads.append(load)
                    found[server.name].processor.append((server.processor() - before) / max(1, load.requests))
        for server in servers:
            row(kind, server, found[server.name])
        ours = [server for server in servers if server.name.startswith("kgraph")]
        for one in ours:
            for server in servers:
                pairs = zip(found[one.name].loads, found[server.name].loads, strict=True)
                ratio = [first.rate / max(second.rate, 0.01) for first, second in pairs]
                costs = zip(found[one.name].processor, found[server.name].processor, strict=True)
                thrift = [second / max(first, 1e-6) for first, second in costs]
                aim = AIMS.get((kind.removesuffix(", join"), server.name.split(",")[0]))
                if server is not one:
                    ratios.append((kind, one.name, server.name, ratio, thrift, aim))
    print("\n| query | server | beside | times its requests/s | lowest to highest round |", end="")
    print(" times its requests a second of processor | aim |")
    print("|---|---|---|---|---|---|---|")
    for kind, first, second, ratio, thrift, aim in ratios:
        shown = f"{median(ratio):.2f} | {min(ratio):.2f} to {max(ratio):.2f} | {median(thrift):.2f} | {aim or ''}"
        print(f"| {kind} | {first} | {second} | {shown} |")
    print("\n| server | memory, MB | start, s (Oxigraph's store is loaded before) |\n|---|---|---|")
    for server in servers:
        print(f"| {server.name} | {server.megabytes():,.0f} | {server.took:.1f} |", flush=True)


def row(kind: str, server: Server, found: Measured) -> None:
    """Prints a line of the first table."""
    rate, p50, p95, size = (median(getattr(load, name) for load in found.loads) for name in ("rate", "p50", "p95", "bytes"))
    size /= median(max(1, load.requests) for load in found.loads)
    failures = sum(load.failures for load in found.loads)
    times = f"{rate:,.0f} | {p50 * 1000:,.2f} | {p95 * 1000:,.2f} | {size / 1000:,.1f} | {failures}"
    print(f"| {kind} | {server.name}{server.remark} | {times} | {median(found.processor) * 1e6:,.0f} |", flush=True)


def ceiling(asked: Asked) -> None:
    """Prints what the client can do at most."""
    queries = asked.folder / "ceiling.txt"
    queries.write_text("".join(f"query={place}\n" for place in range(1000)))
    for client in CLIENTS:
        if client == "plain" or sparql_load.find_wrk():
            with sparql_load.trivial() as url:
                found = sparql_load.load(client, url, queries, 0, asked.connections, 3)
            took = found.processor / max(1, found.requests) * 1e6
            used = " (used here)" if client == asked.client else ""
            print(f"Client {client}{used}: {found.rate:,.0f} requests/s of a server that does nothing; {took:.0f} µs each.  ")


def bench_load(asked: Asked) -> None:
    """The load over synthetic works."""
    file = asked.folder / f"works-{asked.works}.nt"
    iris = data.write_works(asked.works, file)
    store = asked.folder / f"oxigraph-{asked.works}"
    peers.load_oxigraph(file, store)
    servers = [peers.kgraph(kind, ["--data", str(file)]) for kind in asked.kgraph_servers]
    servers.append(peers.oxigraph(store))
    if has_oxrdflib(asked):
        servers.append(peers.rdflib_endpoint(asked.rdflib_python, store))
    plain, fewer = file, iris
    if asked.rdflib_works < asked.works:
        plain = asked.folder / f"works-{asked.rdflib_works}.nt"
        fewer = data.write_works(asked.rdflib_works, plain)
    servers.append(peers.rdflib_endpoint(asked.rdflib_python, plain))
    if fewer is not iris:
        servers[-1].remark = f" ({asked.rdflib_works:,} works only)"
    files: dict[tuple[bool, str], Path] = {}
    first: dict[str, list[str]] = {}
    for kind in data.KINDS:
        for few, names in ((False, iris), (True, fewer)):
            files[few, kind] = asked.folder / f"queries-{list(data.KINDS).index(kind)}-{'few' if few else 'all'}.txt"
            texts = data.write_queries(kind, names, files[few, kind])
            first[kind] = first.get(kind) or texts
    with file.open("rb") as stream:
        triples = sum(1 for _ in stream)
    print(f"\n## {asked.works:,} works, {triples:,} triples, {asked.connections} connections\n")
    ceiling(asked)
    running: list[Server] = []
    try:
        running += started(asked, [server for server in servers if not server.remark], first)
        running += started(asked, [server for server in servers if server.remark], {})
        measure(asked, list(data.KINDS), running, lambda server, kind: files[bool(server.remark), kind])
    finally:
        stop(servers)


def bench_example(asked: Asked) -> None:
    """The load over the example workspace."""
    workspace, file = data.make_example(asked.folder)
    store = asked.folder / "oxigraph-example"
    peers.load_oxigraph(file, store)
    servers = [peers.kgraph(kind, ["-w", str(workspace.folder)]) for kind in asked.kgraph_servers]
    servers.append(peers.oxigraph(store, union=True))
    servers.append(peers.rdflib_endpoint(asked.rdflib_python, file))
    queries = asked.folder / "queries-example.txt"
    iris = data.subjects(file, data.FEW)
    first = data.write_queries("small", iris, queries)
    print(f"\n## The example workspace; {len(iris):,} things are asked about\n")
    try:
        measure(asked, ["small"], started(asked, servers, {"small": first}), lambda server, kind: queries)
    finally:
        stop(servers)


def bench_killers(asked: Asked) -> None:
    """The killers."""
    file = asked.folder / f"works-{asked.works}.nt"
    data.write_works(asked.works, file)
    few = asked.folder / f"works-{asked.killer_works}.nt"
    data.write_works(asked.killer_works, few)
    store = asked.folder / f"oxigraph-{asked.works}"
    peers.load_oxigraph(file, store)
    servers = [peers.kgraph(kind, ["--data", str(file)]) for kind in asked.kgraph_servers]
    servers.append(peers.oxigraph(store, killers.LIMIT))
    servers.append(peers.rdflib_endpoint(asked.rdflib_python, few))
    servers[-1].remark = f" ({asked.killer_works:,} works only)"
    print(f"\n## Killers: {asked.works:,} works, limit {killers.LIMIT:.0f} s, {peers.MEMORY // 2**30} GiB of memory at most\n")
    print("| killer | server | s | status | body | lives, rests | MB | ASKs before: p95, ms |", end="")
    print(" ASKs | p50, ms | p95, ms | longest | failed | as wished |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    met = []
    for server in servers:
        if not asked.wants(server):
            continue
        names = few.with_suffix(".iris") if server.remark else file.with_suffix(".iris")
        server.log = asked.folder / f"killers-{server.name.replace(', ', '-')}.log"
        try:
            server.start()
            asks = killers.calm(server, names)
            print(f"| (none) | {server.name}{server.remark} | | | | | | | {shown(asks)} | |", flush=True)
            for name, together in [*((name, 1) for name in killers.KILLERS), (killers.SLOW, asked.together)]:
                found = killers.attack(server, name, names, together)
                if together == 1:
                    met.append(found)
                print(attacked(found, server), flush=True)
                if not (found.lives and found.rests):
                    server.stop()
                    server.start()
        finally:
            stop([server])
        mine = [one for one in met if one.server == server.name]
        good = sum(one.is_met for one in mine)
        slowest = max(one.answer.seconds for one in mine)
        worst = max(one.asks.p95 for one in mine) * 1000
        told = f"slowest answer {slowest:.2f} s; worst p95 of ASKs {worst:,.1f} ms; started {server.starts} times"
        print(f"\n{server.name}: {good} of {len(mine)} as wished; {told}\n", flush=True)


def shown(asks: killers.Asks) -> str:
    """Small questions as cells."""
    return f"{asks.number} | {asks.p50 * 1000:,.1f} | {asks.p95 * 1000:,.1f} | {asks.longest * 1000:,.0f} | {asks.failures}"


def attacked(found: killers.Attack, server: Server) -> str:
    """An attack as a line of the table."""
    answer = found.answer
    body = "readable" if answer.readable else answer.trouble or "not readable"
    lives = "yes" if found.lives else "**no**"
    rests = "yes" if found.rests else "no"
    told = f"{answer.seconds:.2f} | {answer.status or '-'} | {body}, {answer.size / 1000:,.1f} kB | {lives}, {rests}"
    told += f" | {found.most:,.0f} | {found.before.p95 * 1000:,.1f} | {shown(found.asks)} | {'yes' if found.is_met else 'no'}"
    return f"| {found.killer} | {server.name}{server.remark} | {told} |"


def has_oxrdflib(asked: Asked) -> bool:
    """Whether the Python of rdflib-endpoint has oxrdflib."""
    return subprocess.run([asked.rdflib_python, "-c", "import oxrdflib"], capture_output=True).returncode == 0


def stop(servers: Sequence[Server]) -> None:
    """Stops servers, and says where processes are left."""
    for server in servers:
        if left := server.stop():
            print(f"\n{server.name}: {len(left)} processes were left when it had ended")


def read_arguments(folder: Path) -> Asked:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Measures the SPARQL endpoint beside its peers.")
    add = parser.add_argument
    add("--works", type=int, default=10_000)
    add("--rdflib-works", type=int, default=50_000, help="works that rdflib-endpoint holds in memory at most")
    add("--killer-works", type=int, default=1000, help="works that rdflib-endpoint holds, anew, after a killer")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=4)
    add("--connections", type=int, default=8)
    add("--together", type=int, default=3, help="killers that come at once in the end")
    add("--client", choices=CLIENTS, default="wrk" if sparql_load.find_wrk() else "plain")
    add("--parts", default=",".join(PARTS))
    add("--servers", default="kgraph,oxigraph,rdflib-endpoint", help="beginnings of their names")
    add("--kgraph-servers", default="granian,waitress")
    add("--rdflib-python", default=sys.executable, help="of an environment with rdflib-endpoint and uvicorn, maybe oxrdflib")
    add("--folder", type=Path, default=folder, help="where data are kept from run to run")
    asked = vars(parser.parse_args())
    for name in ("parts", "servers", "kgraph_servers"):
        asked[name] = asked[name].split(",")
    return Asked(**asked)


def main() -> None:
    """Runs the parts."""
    with TemporaryDirectory(prefix="kgraph-bench-") as folder:
        asked = read_arguments(Path(folder))
        asked.folder.mkdir(parents=True, exist_ok=True)
        if not kgraph_serves_data():
            print("This kgraph has no `serve --data`: peers alone.")
            asked.kgraph_servers = ()
        print(f"{time.strftime('%F %R')}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before")
        for part, bench in (("load", bench_load), ("example", bench_example), ("killers", bench_killers)):
            if part in asked.parts:
                bench(asked)
        print(f"\nLoad {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
