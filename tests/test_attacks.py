"""Strangers who send queries, under both servers: who is called, what is used up, what is changed, what is given away.

The attacks are those of the table in `SECURITY.md`. What is about connections and malformed HTTP is in `test_server`.
"""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlencode

import pytest

from attacking import (
    ALL,
    CROSS,
    DATA,
    SECONDS,
    SECRET,
    SERVERS,
    SLACK,
    Listener,
    Served,
    eventually,
    memory_limit,
    peak,
    served,
    state,
)  # fmt: skip
from attacking import listener as listener
from attacking import site as site
from httpserving import send
from kgraph.datafiles import DataFile, load
from kgraph.errors import KgraphError
from kgraph.evaluate import Question, Unanswered
from kgraph.pool import Pool
from kgraph.settings import SparqlLimits
from kgraph.sparqltext import outline

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at by way of /proc")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same triples in a store."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "data.trig").write_text(DATA, encoding="utf-8")
    load([DataFile(folder / "data.trig")], folder)
    return folder / "store"


# who is called: U stands for the listener, SILENT turns a failure into an answer

CALLS = {
    "plain": "SELECT * { SERVICE <U> ALL }",
    "silent": "SELECT * { SERVICE SILENT <U> ALL }",
    "case": "SELECT * { sErViCe silent<U>ALL }",
    "variable": "SELECT * { VALUES ?u { <U> } SERVICE SILENT ?u ALL }",
    "glued to a word": "SELECT * { FILTER(true)SERVICE SILENT<U>ALL }",
    "glued to true": "ASK { ?a ?b trueSERVICE SILENT<U>ALL }",
    "with a prefix": "PREFIX : <U> SELECT * { SERVICE:x ALL }",
    "as a prefix": "PREFIX : <U> PREFIX service: <a:> SELECT * { service:x ALL }",
    "prefixed silent": "PREFIX : <U> PREFIX SERVICE: <a:> SELECT * { SERVICE SILENT :x ALL }",
    "sub-select": "SELECT * { { SELECT * { OPTIONAL { SERVICE SILENT <U> ALL } } } }",
    "exists": "ASK { FILTER NOT EXISTS { SERVICE SILENT <U> ALL } }",
    "minus": "SELECT * { ?a ?b ?c MINUS { SERVICE SILENT <U> ALL } }",
    "union": "SELECT * { { ?a ?b ?c } UNION { SERVICE SILENT <U> ALL } }",
    "graph": "SELECT * { GRAPH ?g { SERVICE SILENT <U> ALL } }",
    "construct": "CONSTRUCT { ?s ?p ?o } { SERVICE SILENT <U> ALL }",
    "describe": "DESCRIBE ?s { SERVICE SILENT <U> ALL }",
    "after a comment": "SELECT * { # '\rSERVICE SILENT <U> ALL }",
    "escaped": "SELECT * { \\u0053ERVICE SILENT <U> ALL }",
    "escaped, long": "SELECT * { S\\U00000045RVICE SILENT <U> ALL }",
    "after an escaped quote": "SELECT * { ?a ?b 'x\\u0027 . SERVICE SILENT <U> ALL # '\n}",
    "in an IRI or not": "SELECT * { FILTER(?a<?b)SERVICE SILENT#>\n<U> ALL }",
    "quote in an IRI or not": "SELECT * { FILTER(?a<?b&&'>'=?c) SERVICE SILENT <U> ALL #'\n}",
    "long quote after one": "SELECT * { FILTER(?a<?b#>'''\n) SERVICE SILENT <U> ALL #'''\n}",
    "quoted triple or not": "SELECT * { <<?a#>'''\n ?b ?c>> ?d ?e . SERVICE SILENT <U> ALL #'''\n}",
    "row or comparison": "SELECT * { VALUES(?a ?b){(<a:a> <a:b#>)} FILTER(?a<a:b#>'''\n) SERVICE SILENT <U> ALL #'''\n}",
    "from": "SELECT * FROM <U> ALL",
    "from named": "SELECT * FROM NAMED <U> { GRAPH ?g ALL }",
    "from, prefixed": "PREFIX : <U> SELECT * FROM:x ALL",
    "from, relative": "BASE <U> SELECT * FROM <y> ALL",
    "from, escaped": "SELECT * FROM <\\u0068ttp:U> ALL",
    "from file": "SELECT * FROM <FILE> ALL",
    "from named file": "SELECT * FROM NAMED <FILE> { GRAPH ?g ALL }",
    "describe file": "DESCRIBE <FILE> FROM <FILE>",
    "load": "LOAD <U>",
    "load file": "LOAD SILENT <FILE> INTO GRAPH <http://e/g>",
    "load after": "ASK {} ; LOAD <U>",
    "json-ld": "SELECT (STRDT('{\"@context\": \"U\"}', <U>) AS ?x) { SERVICE SILENT <U> ALL }",
}  # fmt: skip


def call(name: str, listener: Listener, folder: Path) -> str:
    return CALLS[name].replace("ALL", ALL).replace("<U>", f"<{listener.address}>").replace("FILE", f"file://{folder}/secret.ttl")


def test_nobody_is_called_and_no_file_is_read(site: Served, listener: Listener) -> None:
    answered = {name: site.ask(call(name, listener, site.folder)) for name in CALLS}
    assert {name: told.status for name, told in answered.items() if told.status not in (400, 403)} == {}
    for name in CALLS:
        query = call(name, listener, site.folder)
        got = site.get("/sparql?" + urlencode({"query": query}))
        form = send(
            site.address,
            "POST",
            "/sparql",
            urlencode({"query": query}).encode(),
            content_type="application/x-www-form-urlencoded",
        )
        page = site.get("/sparql?" + urlencode({"query": query}), Accept="text/html")
        assert {got.status, form.status, page.status} == {answered[name].status}, name
        assert SECRET.encode() not in answered[name].body + got.body + form.body + page.body
    assert listener.hits == 0


@pytest.mark.parametrize("parameter", ["default-graph-uri", "named-graph-uri", "using-graph-uri"])
def test_graphs_of_the_protocol_are_not_fetched(site: Served, listener: Listener, parameter: str) -> None:
    for iri in (listener.address, f"file://{site.folder}/secret.ttl", "http://[", "javascript:alert(1)", "\r\nX: y"):
        told = site.get("/sparql?" + urlencode({"query": f"SELECT * {ALL}", parameter: iri}))
        assert told.status in (200, 400)
        assert SECRET.encode() not in told.body
        assert "x" not in told.headers
    assert listener.hits == 0


def test_what_only_looks_like_a_call_is_answered(site: Served) -> None:
    for query in (
        "SELECT * { ?s ?p ?o FILTER(?o = 'mental health SERVICE <http://127.0.0.1/>') }",
        "# SERVICE <http://127.0.0.1/>\nASK {}",
        "PREFIX sd: <http://www.w3.org/ns/sparql-service-description#> ASK { ?s a sd:Service }",
        "ASK { ?s <http://www.w3.org/ns/sparql-service-description#endpoint>?o }",
        "ASK { VALUES (?a ?b) { (<http://e/a#b> <http://e/c'#d>) (<http://e/a#b><http://e/c#d>) } }",
        "ASK { ?s <p#q> <#r> . FILTER(?s<?o && ?o>'#') FILTER(1 <2) FILTER(?s < <a:b#c>) }",
        "ASK { ?s ?p 'caf\\u00e9 \\u0027' }",
    ):
        assert site.ask(query).status == 200, query


def test_a_worker_has_no_network(store: Path, listener: Listener) -> None:
    """Past the check: what refuses SERVICE is not this alone."""
    if not isolates():
        pytest.skip("this system gives no network of its own to a process without rights")
    pool = Pool(SparqlLimits(workers=2, seconds=5))
    try:
        assert pool.ask(store, Question("ASK {}", "http://e/")).body
        with pytest.raises(Unanswered, match="cannot be answered"):
            pool.ask(store, Question(f"SELECT * {{ SERVICE <{listener.address}> {ALL} }}", "http://e/"))
    finally:
        pool.close()
    assert listener.hits == 0


def isolates() -> bool:
    """Whether this system lets a process leave the network."""
    child = os.fork()
    if child == 0:
        import ctypes

        os._exit(abs(ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)))
    return os.waitpid(child, 0)[1] == 0


# queries of death

DEATHS = {
    "cross join": f"SELECT (COUNT(*) AS ?n) {{{CROSS} }}",
    "cross join of triples": "SELECT (COUNT(*) AS ?n) { " + " . ".join(f"?a{n} ?b{n} ?c{n}" for n in range(12)) + " }",
    "paths": f"SELECT (COUNT(*) AS ?n) {{ {CROSS} ?a (<http://e/p>|!<a:x>|^<http://e/p>)* ?b }}",
    "order": f"SELECT * {{{CROSS} }} ORDER BY (?v1 * ?v2 + ?v3)",
    "distinct": f"SELECT DISTINCT * {{{CROSS} }}",
    "doubling": "SELECT (STRLEN(?v40) AS ?n) { BIND('aaaaaaaaaaaaaaaa' AS ?v0) "
    + " ".join(f"BIND(CONCAT(?v{n}, ?v{n}) AS ?v{n + 1})" for n in range(40))
    + " }",
    "one long text": f"SELECT (STRLEN(GROUP_CONCAT(?t)) AS ?n) {{{CROSS} BIND('{'x' * 500}' AS ?t) }}",
    "rows": "SELECT (COUNT(*) AS ?n) { VALUES (?a ?b) { " + "(1 2) " * 8000 + "} VALUES (?c ?d) { " + "(1 2) " * 1500 + "} }",
    "regex": f"SELECT (COUNT(*) AS ?n) {{{CROSS} FILTER(REGEX('{'a' * 999}', CONCAT('(a|aa)*|', STR(?v0 + ?v1 + ?v2 + ?v3)))) }}",
}  # fmt: skip


def test_queries_of_death_end_in_time_and_harm_nobody(site: Served) -> None:
    """Two at a time, while others ask: three workers a process, so one is left for them."""
    assert site.ask("ASK {}").status == 200
    stop = threading.Event()
    asked: list[int] = []
    peaks: dict[int, int] = {}
    first = site.workers()
    limits = [memory_limit(pid) or 0 for pid in first]

    def ask() -> None:
        while not stop.is_set():
            asked.append(site.ask("ASK { ?s ?p ?o }").status)
            peaks.update({pid: max(peaks.get(pid, 0), peak(pid)) for pid in site.workers()})
            time.sleep(0.02)

    def kill(query: str) -> tuple[int, float]:
        started = time.monotonic()
        return site.ask(query).status, time.monotonic() - started

    asker = threading.Thread(target=ask)
    asker.start()
    with ThreadPoolExecutor(2) as killers:
        ended = dict(zip(DEATHS, killers.map(kill, DEATHS.values()), strict=True))
    stop.set()
    asker.join()
    assert {name: status for name, (status, _) in ended.items() if status not in (400, 422, 503, 504)} == {}
    assert {name: took for name, (_, took) in ended.items() if took > SECONDS + SLACK} == {}
    assert set(asked) == {200}
    assert len(asked) > 5
    assert first
    assert all(1 << 30 <= most < 3 << 30 for most in limits), limits  # 1 GiB beside what the process and its store take
    assert max(peaks.values()) <= max(limits)
    assert site.ask("ASK {}").status == 200
    assert eventually(lambda: not [pid for pid in site.processes() if state(pid) == "Z"])
    assert site.ask("ASK {" + "{" * 100 + "}" * 100 + "}").status == 400


def test_nesting_ends_a_worker_and_not_the_server(store: Path) -> None:
    """Without the cap on nesting, which the protocol has."""
    pool = Pool(SparqlLimits(workers=2, seconds=3))
    try:
        for query in ("ASK " + "{" * 20_000 + "}" * 20_000, "ASK { FILTER(" + "(" * 30_000 + "1" + ")" * 30_000 + ") }"):
            with pytest.raises(Unanswered):
                pool.ask(store, Question(query, "http://e/"))
            assert pool.ask(store, Question("ASK {}", "http://e/")).body
    finally:
        pool.close()


@pytest.mark.parametrize(
    "text",
    [
        "a." * 32_000,
        "a-" * 32_000,
        "a:" + "." * 60_000 + "a",
        '\\"' * 32_000,
        "\\'" * 32_000,
        "_:a." * 16_000,
        "<a" * 32_000,
        "'''" * 20_000,
    ],
    ids=lambda text: text[:6],
)
def test_looking_at_a_query_takes_no_time(text: str) -> None:
    """It happens in the server's own process, where nothing ends it: some of these once took a minute and a half."""
    started = time.process_time()
    with suppress(KgraphError):
        outline("ASK {" + text + "\n} # FROM: to be read to its end", "http://e/", {}, 64)
    assert time.process_time() - started < 5


def ask_in_vain(site: Served) -> None:
    with suppress(OSError, HTTPException):
        site.ask(DEATHS["cross join"])


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_is_left_behind(tmp_path: Path, name: str) -> None:
    """A server that is killed while a query runs: its workers end by themselves. The other two ways to end: `test_server`."""
    (tmp_path / "data.trig").write_text(DATA, encoding="utf-8")
    with served(name, tmp_path, "--data", tmp_path / "data.trig") as site:
        assert site.ask("ASK {}").status == 200
        everything = site.processes()
        workers = site.workers()
        threading.Thread(target=ask_in_vain, args=(site,), daemon=True).start()
        time.sleep(0.3)
        everything |= site.processes()
        for pid in everything - workers:
            if b"forkserver" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: all(state(pid) in ("", "Z") for pid in everything), SLACK)
