"""Builds that write the graph to a SPARQL server: what is sent and what not, what goes wrong, what is removed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kgraph.build import build
from kgraph.errors import KgraphError
from kgraph.keeping import prune
from kgraph.remote import RemoteStore, open_remote
from kgraph.snapshot import Snapshot, open_published, open_restricted
from kgraph.stores import EmbeddedStore, StoreError
from kgraph.upload import SORTED, Server, prepare, tidy_server, write_graphs
from kgraph.web import create_app
from kgraph.workspace import Workspace
from sparqlservers import ALIKE, FOREIGN, Asked, Sparql, StandIn, reply

BASE = "https://example.org/kg/"
STUDY, CONCEPTS, MANIFEST, INFERRED = (f"{BASE}graph/{name}" for name in ("study/tiny-2024", "concepts", "manifest", "inferred"))
ALL = "SELECT ?g ?s ?p ?o { GRAPH ?g { ?s ?p ?o } }"


@pytest.fixture
def place(tmp_path: Path, tiny_built: Workspace) -> Workspace:
    """A copy of the tiny workspace, built without a server."""
    shutil.copytree(tiny_built.folder, tmp_path / "place")
    return Workspace(tmp_path / "place")


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """A workspace with a few triples, as if they had been built."""
    place = Workspace(tmp_path / "small")
    place.snapshots.mkdir(parents=True)
    (place.folder / "kgraph.toml").write_text(f'base = "{BASE}"\n', encoding="utf-8")
    a, b, store = ox.NamedNode("a:a"), ox.NamedNode("a:b"), ox.Store(str(place.built / "store"))
    literals = [
        ox.Literal("hope"), ox.Literal("hope", language="en"), ox.Literal(7), ox.Literal(1.5), ox.Literal(True), ox.Literal("2"),
        ox.Literal("2024", datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#gYear")), ox.Literal("a\"b\\c\nd\u2028e"),
        ox.Literal("希望", language="zh-Hans"), ox.Literal(""), ox.Literal("x" * 5000),
        *(ox.Literal(f"{n} more") for n in range(2000)),
    ]  # fmt: skip
    for graph in (ox.NamedNode(STUDY), ox.NamedNode(CONCEPTS), ox.DefaultGraph()):
        store.extend(ox.Quad(a, b, literal, graph) for literal in literals)
        literals = literals[:-7]
    store.extend(ox.Quad(ox.NamedNode(graph), b, a, ox.NamedNode(MANIFEST)) for graph in (STUDY, CONCEPTS))
    store.flush()
    return place


@pytest.fixture
def stand_in(server: Sparql) -> Iterator[StandIn]:
    """A stand-in before Oxigraph."""
    if server.name != "oxigraph":
        pytest.skip("one server is enough for what goes wrong on the way to it")
    made = StandIn(server)
    yield made
    made.close()


def on(workspace: Workspace, settings: str) -> Workspace:
    """The workspace with a server in its settings."""
    path = workspace.folder / "kgraph.toml"
    path.write_text(path.read_text(encoding="utf-8").partition("[store]")[0] + settings, encoding="utf-8")
    return Workspace(workspace.folder)


def write(workspace: Workspace, told: list[str] | None = None) -> dict[str, Any]:
    """Writes the graph of a small workspace as a build would."""
    scratch = workspace.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    return write_graphs(workspace, workspace.built / "store", scratch, (told if told is not None else []).append)


def rows(graph: Any, text: str = ALL) -> list[str]:
    """Rows but for those with blank nodes, which are called otherwise every time."""
    return sorted(str(found) for row in graph.query(text, BASE) if "_:" not in str(found := [str(term) for term in row]))


def ours(server: Sparql) -> dict[str, int]:
    """The graphs of the tiny workspace on the server, but for the list of uploads."""
    return {name: number for name, number in server.graphs().items() if name.startswith(BASE) and "#" in name}


def forget(workspace: Workspace) -> None:
    """Leaves the workspace without any snapshot that needs the server."""
    for path in workspace.snapshots.glob("*/manifest.json"):
        path.unlink()
    tidy_server(workspace, lambda line: None)


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a graph on the server."""
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        for name in server.graphs():
            if name.startswith(BASE):
                server.run(f"DROP SILENT GRAPH <{name}>")


def test_a_build_sends_what_changed_and_removes_what_nobody_needs(server: Sparql, place: Workspace) -> None:
    first = on(place, server.settings())
    told: list[str] = []
    before = build(first, told.append).manifest["remote"]
    assert ours(server) == before["triples"]
    assert sum(line.startswith("Sent https:") for line in told) == len(before["graphs"])
    assert not build(first, told.append).built
    opened = open_published(first)
    assert isinstance(opened.graph, RemoteStore)
    assert rows(opened.graph) == rows(EmbeddedStore(opened.store))

    study = place.folder / "studies" / "tiny-2024.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("A walking group", "A group that walks"), encoding="utf-8")
    told.clear()
    after = build(first, told.append).manifest["remote"]
    sent = {line.split()[1].partition("#")[0] for line in told if line.startswith("Sent https:")}
    assert sent == {STUDY, MANIFEST}
    changed = {name for name in after["graphs"] if after["graphs"][name] != before["graphs"][name]}
    assert changed == sent
    assert ours(server) == before["triples"] | after["triples"], "the version before is kept, and so are its graphs"

    prune(first, keep=1)
    build(first, told.append)
    assert told[-1] == f"Removed 2 graphs that nobody needs from {server.query}"
    assert ours(server) == after["triples"]
    there = server.graphs()
    assert (there[FOREIGN], there[ALIKE]) == (2, 2), "what others have stays"

    server.run(f"DROP SILENT GRAPH <{after['graphs'][STUDY]}>")  # somebody tidies
    study.write_text(study.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert build(first).manifest["remote"]["triples"].items() <= ours(server).items()
    forget(first)
    assert not ours(server)


@pytest.mark.parametrize("by_updates", [True, False])
def test_whatever_is_written_is_read_again(
    server: Sparql, small: Workspace, by_updates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By updates and by the Graph Store Protocol, in one piece and in several."""
    monkeypatch.setattr("kgraph.upload.CHUNK", 20_000)
    remote = write(on(small, server.settings(by_updates)))
    assert ours(server) == remote["triples"]
    graph = open_remote(remote)
    here = EmbeddedStore(ox.Store.read_only(str(small.built / "store")))
    assert rows(graph) == rows(here)
    text = "SELECT ?s ?p ?o { ?s ?p ?o }"
    assert rows(graph, text) == rows(here, text)
    assert len(remote["default"]) == 1


def test_two_workspaces_with_one_base(server: Sparql, small: Workspace, tmp_path: Path) -> None:
    """What both hold stays until neither needs it; a copy of a workspace is another one."""
    one = on(small, server.settings())
    write(one)
    shutil.copytree(small.folder, tmp_path / "other")
    other = Workspace(tmp_path / "other")
    told: list[str] = []
    remote = write(other, told)
    assert told == [f"Sent 0 of {len(remote['triples'])} graphs, 0 triples, to {server.query} in {told[0].split()[-2]} s"]
    forget(one)
    assert ours(server) == remote["triples"]
    forget(other)
    assert not ours(server)


def test_a_server_that_lost_a_graph_gets_it_again(server: Sparql, small: Workspace) -> None:
    here = on(small, server.settings())
    name = write(here)["graphs"][CONCEPTS]
    server.run(f"DROP SILENT GRAPH <{name}>")
    told: list[str] = []
    write(here, told)
    assert [line.split()[1] for line in told if line.startswith("Sent https:")] == [f"{name}:"]


def test_chunks_and_big_graphs(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is sorted in parts has the name of the same graph sorted at once."""
    store = open_published(place).store
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = prepare(store, BASE, tmp_path / "a")
    assert SORTED > 10_000
    monkeypatch.setattr("kgraph.upload.SORTED", 3000)
    parts = prepare(store, BASE, tmp_path / "b")
    assert [(one.physical, one.triples, one.file.read_bytes()) for one in parts] == [
        (one.physical, one.triples, one.file.read_bytes()) for one in whole
    ]
    lines = whole[0].file.read_bytes().splitlines()
    assert lines == sorted(set(lines))


def test_names_are_those_of_the_content(tmp_path: Path) -> None:
    """Blank nodes change nothing, however they are called, nor does the order; the default graph has a name too."""

    def names(text: str) -> dict[str | None, str]:
        store = ox.Store()
        store.load(text.encode(), ox.RdfFormat.TRIG)
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        (tmp_path / "s").mkdir()
        return {one.logical: one.physical for one in prepare(store, BASE, tmp_path / "s")}

    g = f"<{BASE}graph/a>"
    one = names(f'{g} {{ _:x <a:b> "1", _:y . _:y <a:b> "2" }} <a:a> <a:b> <a:c> .')
    two = names(f'<a:a> <a:b> <a:c> . {g} {{ _:z <a:b> "2" . _:y <a:b> _:z, "1" }}')
    other = names(f'{g} {{ _:x <a:b> "1", _:y . _:x <a:b> "2" }} <a:a> <a:b> <a:c> .')
    assert one == two
    assert one[f"{BASE}graph/a"] != other[f"{BASE}graph/a"]
    assert one[None].startswith(f"{BASE}graph/works#")


def test_a_graph_that_speaks_of_a_graph(tmp_path: Path) -> None:
    """The manifest's may, and has the names on the server; no other one."""
    store = ox.Store()
    a, b, manifest = (ox.NamedNode(f"{BASE}graph/{name}") for name in ("a", "b", "manifest"))
    said = ox.Literal(f"of <{a.value}> _: <x>")
    store.extend([ox.Quad(b, ox.NamedNode("a:b"), said, a), ox.Quad(a, ox.NamedNode("a:b"), said, manifest)])
    (tmp_path / "s").mkdir()
    found = {one.logical: one for one in prepare(store, BASE, tmp_path / "s")}
    (quad,) = ox.parse(path=found[manifest.value].file, format=ox.RdfFormat.N_TRIPLES)
    assert (quad.subject, quad.object) == (ox.NamedNode(found[a.value].physical), said)
    store.add(ox.Quad(a, ox.NamedNode("a:b"), said, a))
    shutil.rmtree(tmp_path / "s")
    (tmp_path / "s").mkdir()
    with pytest.raises(KgraphError, match="speaks of the graph"):
        prepare(store, BASE, tmp_path / "s")


def test_only_graphs_of_ours_are_removed(server: Sparql, small: Workspace) -> None:
    here = on(small, server.settings())
    reached = Server(here.settings.store, BASE)  # type: ignore[arg-type]
    for name in (FOREIGN, ALIKE, f"{BASE}graph/a", f"{BASE}graph/a#xyz", f"{BASE}graph/uploads"):
        with pytest.raises(StoreError, match="no graph that kgraph wrote"):
            reached.drop(name)
    reached.update(
        f"INSERT DATA {{ GRAPH <{BASE}graph/uploads> {{ <{FOREIGN}> <http://purl.org/dc/terms/isRequiredBy> <a:a> }} }}"
    )
    assert FOREIGN not in reached.uploads()


# what goes wrong


def fails(service: str, method: str, part: bytes, answer: bytes | Callable[[Asked], bytes]) -> Callable[[Asked], bytes | None]:
    """Answers a kind of request so, where a part stands in its address or body."""

    def decide(asked: Asked) -> bytes | None:
        if asked.service == service and asked.method == method and part in asked.target.encode() + asked.body:
            return answer if isinstance(answer, bytes) else answer(asked)
        return None

    return decide


FAULTS: dict[str, tuple[Callable[[StandIn], Callable[[Asked], bytes | None]], str]] = {
    "an error": (lambda one: fails("store", "PUT", b"tiny-2024", reply(507, b"disk full")), "answers 507 .* disk full"),
    "it hangs up": (lambda one: fails("store", "PUT", b"tiny-2024", b""), "did not come whole"),
    "half a head": (lambda one: fails("store", "PUT", b"concepts", b"HTTP/1.1 20"), "SPARQL server"),
    "it leads elsewhere": (lambda one: fails("store", "PUT", b"", reply(302, b"", more="Location: /x\r\n")), "answers 302"),
    "it drops a triple": (
        lambda one: fails("store", "PUT", b"graph%2Fstudy", lambda asked: one.pass_on(asked, asked.body.partition(b"\n")[2])),
        "triples were sent as .*tiny-2024#.*, and the SPARQL server has",
    ),
    "it takes what it does not keep": (lambda one: fails("store", "PUT", b"tiny-2024", reply(204, b"")), "has 0"),
    "it counts by half": (lambda one: fails("query", "POST", b"COUNT", (b"HTTP/1.1 200 OK\r\n\r\n{")), "cannot be used"),
    "it refuses updates": (lambda one: fails("update", "POST", b"", reply(403, b"no")), "refuses access"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_an_upload_that_fails_says_why(server: Sparql, stand_in: StandIn, small: Workspace, what: str) -> None:
    here = on(small, stand_in.sparql.settings())
    make, told = FAULTS[what]
    stand_in.answer = make(stand_in)
    with pytest.raises(StoreError, match=told):
        write(here)
    stand_in.answer = lambda asked: None
    remote = write(here)
    assert {name: ours(server)[name] for name in remote["triples"]} == remote["triples"]


def test_a_failed_build_leaves_what_is_published(server: Sparql, stand_in: StandIn, place: Workspace) -> None:
    here = on(place, stand_in.sparql.settings())
    version = build(here).version
    before = ours(server)
    study = place.folder / "studies" / "tiny-2024.yaml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("A walking group", "A group that walks"), encoding="utf-8")
    stand_in.answer = fails("store", "PUT", b"manifest", reply(500, b"out of memory"))
    with pytest.raises(StoreError, match="out of memory"):
        build(here)
    stand_in.answer = lambda asked: None
    assert here.published_version() == version
    assert set(before) < set(ours(server)), "a graph was sent that no version needs"
    assert open_published(here).query("ASK { <study/tiny-2024> rdfs:label 'A walking group'@en }")
    study.write_text(text, encoding="utf-8")
    told: list[str] = []
    assert not build(here, told.append).built
    assert told == [f"Removed 2 graphs that nobody needs from {stand_in.sparql.query}"]
    assert ours(server) == before

    client = create_app(here).test_client()
    assert client.get("/study/tiny-2024").status_code == 200
    for answer in (reply(500, b"secret-host is out of memory"), b""):
        stand_in.answer = lambda asked, answer=answer: answer  # type: ignore[misc]
        for path in ("/study/tiny-2024", "/study/tiny-2024.ttl", "/concept/hope", "/no-such-thing"):
            shown = client.get(path)
            assert shown.status_code == 503, path
            assert "The server that holds the graph does not answer as it should" in shown.text
            assert "secret-host" not in shown.text
        shown = client.get("/sparql", query_string={"query": "ASK {}"}, headers={"Accept": "application/sparql-results+json"})
        assert shown.status_code == 503
    stand_in.answer = lambda asked: None
    assert client.get("/study/tiny-2024").status_code == 200


def test_a_killed_build_leaves_what_is_published(server: Sparql, stand_in: StandIn, place: Workspace) -> None:
    here = on(place, stand_in.sparql.settings())
    published = here.published_name()
    reached, stop = threading.Event(), threading.Event()

    def hang(asked: Asked) -> bytes:
        reached.set()
        stop.wait(30)
        return b""

    stand_in.answer = fails("store", "PUT", b"tiny-2024", hang)
    command = [sys.executable, "-m", "kgraph", "build", "-w", str(here.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert reached.wait(60), process.communicate(timeout=1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    stop.set()
    stand_in.answer = lambda asked: None
    assert here.published_name() == published
    assert ours(server), "some graphs were there"
    remote = build(here).manifest["remote"]
    assert ours(server) == remote["triples"]
    assert isinstance(open_published(here).graph, RemoteStore)


def test_a_server_that_is_down(place: Workspace, run: Any) -> None:
    published = place.published_name()
    here = on(place, '[store]\nquery = "http://127.0.0.1:1/q"\nupdate = "http://127.0.0.1:1/u"\n')
    code, _, complaints = run("build", "-w", here.folder)
    assert (code, here.published_name()) == (1, published)
    assert "the SPARQL server cannot be reached at http://127.0.0.1:1/q (Connection refused). Start it" in complaints


def test_restricted_things_are_not_sent(server: Sparql, stand_in: StandIn, place: Workspace) -> None:
    study = place.folder / "studies" / "tiny-2024.yaml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("id: tiny-2024\n", "id: tiny-2024\naccess: restricted\n", 1), encoding="utf-8")
    here = on(place, server.settings())
    remote = build(here).manifest["remote"]
    assert STUDY not in remote["graphs"]
    assert not [name for name in ours(server) if "tiny-2024" in name]
    opened = open_restricted(here)
    assert isinstance(opened.graph, EmbeddedStore)
    assert opened.ask("studies")
    assert not open_published(here).ask("studies")


def test_a_manifest_holds_no_credentials(server: Sparql, small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    if server.name == "oxigraph":
        monkeypatch.setenv("KGRAPH_STORE_TOKEN", "t0ken-of-mine")
    told: list[str] = []
    remote = write(on(small, server.settings()), told)
    secret = "t0ken" if server.name == "oxigraph" else ":dba"
    assert secret not in f"{remote} {told}"


def test_an_older_snapshot_is_read_on_disk(place: Workspace) -> None:
    """One that was built before a server was named."""
    assert isinstance(Snapshot(place.snapshots / str(place.published_name())).graph, EmbeddedStore)
