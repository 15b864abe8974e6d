"""Whole graphs as files: each says what the store says, is written whole or not at all, and holds nothing that is restricted."""

import errno
import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from flask import Flask
from flask.testing import FlaskClient
from rdflib import Dataset

import kgraph
from conftest import Change, Run
from kgraph import dumps
from kgraph.build import build
from kgraph.description import Described, graphs_of, works_of
from kgraph.dumps import FORMS, Dump, file_name, folder_of, list_dumps, make_dump
from kgraph.errors import KgraphError
from kgraph.integrity import write_sealed
from kgraph.snapshot import Snapshot, open_restricted
from kgraph.web import create_app
from kgraph.web.dumps import Makers
from kgraph.workspace import Workspace

OLD = "0123456789abcdef"  # a kept version, with works
STUDY = "graph/study/tiny-2024"


@pytest.fixture(scope="module")
def place(tiny_built: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the tiny workspace that also keeps a version with works: three statements in no named graph."""
    folder = tmp_path_factory.mktemp("dumped") / "tiny"
    shutil.copytree(tiny_built.folder, folder)
    place = Workspace(folder)
    old = place.snapshots / OLD
    shutil.copytree(place.snapshots / str(place.published_name()), old)
    store = ox.Store(str(old / "store"))
    work = ox.NamedNode("https://doi.org/10.5555/1")
    values: list[ox.Literal | ox.BlankNode] = [
        ox.Literal("Trost am Abend", language="de"),
        ox.BlankNode(),
        ox.Literal('"a"\n\\b\t病'),
    ]
    store.extend(ox.Quad(work, ox.NamedNode("http://purl.org/dc/terms/title"), value) for value in values)
    store.flush()
    del store
    manifest = json.loads((old / "manifest.json").read_text(encoding="utf-8")) | {"version": OLD, "works": 1}
    write_sealed(old / "manifest.json", manifest)
    return place


@pytest.fixture(scope="module")
def old(place: Workspace) -> Snapshot:
    return Snapshot(place.snapshots / OLD)


@pytest.fixture
def fresh(place: Workspace) -> Snapshot:
    """The published snapshot, with no dumps yet."""
    snapshot = kgraph.open(str(place.folder))
    shutil.rmtree(folder_of(snapshot.folder), ignore_errors=True)
    return snapshot


@pytest.fixture(scope="module")
def pages(place: Workspace) -> Flask:
    app: Flask = create_app(place)
    return app


@pytest.fixture
def client(pages: Flask, fresh: Snapshot) -> FlaskClient:
    pages.extensions["dumps"] = Makers()
    made: FlaskClient = pages.test_client()
    return made


def makers(client: FlaskClient) -> Makers:
    found: Makers = client.application.extensions["dumps"]
    return found


def same(one: Iterable[ox.Quad], other: Iterable[ox.Quad]) -> bool:
    """Whether two say the same, whatever nodes without a name are called."""
    found = []
    for quads in map(set, (one, other)):
        unnamed = {quad for quad in quads if ox.BlankNode in (type(quad.subject), type(quad.object))}
        canonical = ox.Dataset(unnamed)
        canonical.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
        found.append((quads - unnamed, canonical))
    return found[0] == found[1]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def stored(snapshot: Snapshot, dump: Dump) -> list[ox.Quad]:
    """What the store has of the graph of a dump."""
    if not dump.short:
        return list(snapshot.store)
    name = ox.DefaultGraph() if dump.short == "works" else ox.NamedNode(dump.graph)
    return list(snapshot.store.quads_for_pattern(None, None, None, name))


@pytest.mark.parametrize("form", FORMS)
def test_every_dump_reads_as_the_graph_it_is_of(old: Snapshot, form: str) -> None:
    found = [dump for dump in list_dumps(Described.of(old)) if dump.form == form]
    assert [dump.short for dump in found][:2] == ["", "works"]
    assert {dump.graph for dump in found} == {*graphs_of(old), f"{old.base}dump", works_of(old.base)}
    for dump in found:
        path = make_dump(old, dump.graph, form)
        assert path == folder_of(old.folder) / dump.file
        quads = list(ox.parse(content(path), format=FORMS[form].rdf_format))
        assert len(quads) == dump.triples
        assert same(quads, stored(old, dump)), dump.file


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib.*")
@pytest.mark.parametrize(("form", "name"), [("trig", "trig"), ("jsonld", "json-ld"), ("nq.gz", "nquads")])
def test_another_library_reads_the_same(old: Snapshot, form: str, name: str) -> None:
    for graph in (old.base + STUDY, works_of(old.base)):
        read = Dataset()
        read.parse(data=content(make_dump(old, graph, form)), format=name)
        again = read.serialize(format="nquads", encoding="utf-8")
        (dump,) = (one for one in list_dumps(Described.of(old)) if (one.graph, one.form) == (graph, form))
        assert same(ox.parse(again, format=ox.RdfFormat.N_QUADS), stored(old, dump))


def test_names_tell_version_and_graph(old: Snapshot) -> None:
    assert file_name("ab12", "study-fan-2024", "nq.gz") == "kgraph-ab12-study-fan-2024.nq.gz"
    assert file_name("../a b", "", "trig") == "kgraph-..-a-b.trig"
    assert make_dump(old, old.base + STUDY, "trig").name == f"kgraph-{OLD}-study-tiny-2024.trig"
    assert make_dump(old, None, "nq.gz").name == f"kgraph-{OLD}.nq.gz"


def test_a_dump_is_made_once_and_leaves_nothing_else(fresh: Snapshot) -> None:
    folder = folder_of(fresh.folder)
    folder.mkdir(parents=True)
    name = file_name(fresh.version, "study-tiny-2024", "nq.gz")
    (folder / f".making-{name}").write_bytes(b"what a killed maker left" * 100)
    path = make_dump(fresh, fresh.base + STUDY, "nq.gz")
    first = path.stat()
    assert make_dump(fresh, fresh.base + STUDY, "nq.gz").stat() == first
    assert {one.name for one in folder.iterdir()} - {f".{name}.lock"} == {name}
    written = path.read_bytes()
    path.unlink()
    assert make_dump(fresh, fresh.base + STUDY, "nq.gz").read_bytes() == written
    assert kgraph.open(str(fresh.folder.parent.parent.parent)).version == fresh.version  # the snapshot is as it was summed


def test_a_full_disk_leaves_no_piece(fresh: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kgraph.dumps.os.fsync", full)
    with pytest.raises(KgraphError, match=r"cannot be written \(No space left on device\)\. Free space"):
        make_dump(fresh, None, "trig")
    assert not [path for path in folder_of(fresh.folder).iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("graph", "form", "message"),
    [
        ("graph/nothing", "trig", "there is no graph .*graph/nothing"),
        (STUDY, "ttl", "there is no format 'ttl'. Use one of: nq.gz"),
    ],
)
def test_what_is_not_there_is_not_made(fresh: Snapshot, graph: str, form: str, message: str) -> None:
    with pytest.raises(KgraphError, match=message):
        make_dump(fresh, fresh.base + graph, form)


def test_dumps_of_snapshots_that_are_gone_go_too(fresh: Snapshot) -> None:
    gone = folder_of(fresh.folder.with_name("fedcba9876543210"))
    gone.mkdir(parents=True)
    (gone / "kgraph.trig").touch()
    make_dump(fresh, None, "trig")
    assert not gone.exists()
    assert folder_of(fresh.folder).is_dir()


def test_what_is_restricted_is_in_no_dump(tiny: Workspace, change: Change, run: Run, tmp_path: Path) -> None:
    change(
        "gender: male",
        "gender: male\n    access: restricted",
        '  creator: "Brook B"\n',
        '  creator: "Brook B"\n  access: restricted\n',
    )
    build(tiny)
    snapshot = kgraph.open(str(tiny.folder))
    client = create_app(tiny).test_client()
    told = [client.get(path).data for path in ("/dump", "/dump.nt")]
    for dump in list_dumps(Described.of(snapshot)):
        if dump.short in ("concepts", "mappings", "ontology"):
            continue  # packaged
        response = client.get(f"/dump/{dump.file}")
        assert response.status_code == 200
        told.append(gzip.decompress(response.data) if dump.form.endswith("gz") else response.data)
    code, _, _ = run("dump", tmp_path / "out", "-w", tiny.folder, "--format", "trig")
    assert code == 0
    told += [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    public = b"\n".join(told)
    assert b"tiny-2024/participant/P1" in public
    second = "\n".join(str(quad) for quad in open_restricted(tiny).store)
    for secret in ("Nobody waits for me", "51-55", "participant/P2", "quotation/q02"):
        assert secret in second, secret
        assert secret.encode() not in public, secret
    with pytest.raises(KgraphError, match="this is the second store"):
        make_dump(open_restricted(tiny), None, "trig")
    assert {path.name for path in tiny.restricted.iterdir()} == {"cache", snapshot.folder.name}


# pages


def test_the_page_lists_every_file_and_each_can_be_had(client: FlaskClient, fresh: Snapshot) -> None:
    page = client.get("/dump").text
    files = re.findall(r'href="/dump/(kgraph-[^"]+)"', page)
    assert files == [dump.file for dump in list_dumps(Described.of(fresh))]
    assert f"Version {fresh.version}" in page
    for file in files[:4]:
        response = client.get(f"/dump/{file}")
        path = folder_of(fresh.folder) / file
        assert response.data == path.read_bytes()
        assert response.headers["Content-Length"] == str(path.stat().st_size)
        assert response.headers["Content-Disposition"] == f"attachment; filename={file}"
    assert client.get("/dump").text.count('<span class="count">') == 4
    for other in ("/about", "/"):
        assert 'href="/dump"' in client.get(other).text


def test_a_download_can_be_resumed_and_is_not_sent_twice(client: FlaskClient, fresh: Snapshot) -> None:
    address = f"/dump/{file_name(fresh.version, 'study-tiny-2024', 'trig')}"
    whole = client.get(address)
    tag = whole.headers["ETag"]
    rest = client.get(address, headers={"Range": "bytes=100-", "If-Range": tag})
    assert (rest.status_code, rest.data) == (206, whole.data[100:])
    assert client.get(address, headers={"Range": "bytes=100-", "If-Range": '"other"'}).data == whole.data
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(address, headers={"Range": f"bytes={len(whole.data)}-"}).status_code == 416
    head = client.head(address)
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(whole.data)))
    assert client.get(address, headers={"Accept": "text/turtle"}).data == whole.data  # an address of one form alone
    jsonld = client.get(address.replace(".trig", ".jsonld"))
    assert jsonld.mimetype == "application/ld+json"


@pytest.mark.parametrize(
    "file",
    ["kgraph.trig", "kgraph-{version}-study-none.trig", "kgraph-{version}.ttl", "kgraph-00000000000000ff.trig", "..%2Fcurrent"],
)
def test_there_are_no_other_files(client: FlaskClient, fresh: Snapshot, file: str) -> None:
    assert client.get(f"/dump/{file.format(version=fresh.version)}").status_code == 404


def test_a_version_that_is_kept_can_still_be_had(client: FlaskClient, old: Snapshot) -> None:
    response = client.get(f"/dump/kgraph-{OLD}-works.nq.gz")
    assert len(list(ox.parse(gzip.decompress(response.data), format=ox.RdfFormat.N_QUADS))) == 3
    gone = client.get("/dump/kgraph-00000000000000ff.trig", headers={"Accept": "text/plain"})
    assert "00000000000000ff is not kept" in gone.text


def test_a_large_dump_is_waited_for_and_then_whole(client: FlaskClient, fresh: Snapshot) -> None:
    made = makers(client)
    made.small, made.patience = 0, 0
    address, other = (f"/dump/kgraph-{fresh.version}{end}" for end in (".trig", "-concepts.trig"))
    first = client.get(address)
    assert (first.status_code, first.headers["Retry-After"]) == (503, "20")
    assert "is large and takes a while" in first.text
    busy = client.get(other, headers={"Accept": "application/trig"})
    assert (busy.status_code, busy.mimetype, busy.headers["Retry-After"]) == (503, "text/plain", "20")
    assert not (folder_of(fresh.folder) / f"kgraph-{fresh.version}-concepts.trig").exists()  # one at a time
    made.patience = 60
    assert client.get(address).data == (folder_of(fresh.folder) / f"kgraph-{fresh.version}.trig").read_bytes()


def test_a_maker_that_fails_is_told_and_tried_again(
    client: FlaskClient, fresh: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers(client).small, makers(client).patience = 0, 60
    address = f"/dump/kgraph-{fresh.version}-manifest.trig"
    with monkeypatch.context() as broken:
        broken.setattr("kgraph.web.dumps.command", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
        assert client.get(address).status_code == 500
    with monkeypatch.context() as busy:
        busy.setattr("kgraph.web.dumps.command", lambda *_: [sys.executable, "-c", f"raise SystemExit({dumps.BUSY})"])
        assert client.get(address).status_code == 503
    assert client.get(address).status_code == 200


def test_the_maker_makes_one_at_a_time(fresh: Snapshot) -> None:
    import filelock

    (dump,) = (one for one in list_dumps(Described.of(fresh)) if (one.short, one.form) == ("manifest", "trig"))
    folder = folder_of(fresh.folder).parent
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "maker.lock"):
        assert subprocess.run(dumps.command(fresh, dump), check=False).returncode == dumps.BUSY
    wrong = subprocess.run([*dumps.command(fresh, dump)[:-1], "urn:x:none"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr[:27]) == (1, "error: there is no graph ur")


@pytest.mark.parametrize(
    ("path", "accept", "status", "answer"),
    [
        ("/dump", "", 200, "text/html"),
        ("/dump", "text/html,*/*;q=0.8", 200, "text/html"),
        ("/dump", "text/turtle", 200, "text/turtle"),
        ("/dump", "image/png", 406, "text/plain"),
        ("/dump.jsonld", "text/html", 200, "application/ld+json"),
        ("/dump.pdf", "", 404, "text/plain"),
        ("/.well-known/void", "", 200, "text/turtle"),
        ("/.well-known/void", "*/*", 200, "text/turtle"),
        ("/.well-known/void", "application/ld+json", 200, "application/ld+json"),
        ("/.well-known/void", "application/n-triples", 200, "application/n-triples"),
        ("/.well-known/void", "text/html,*/*;q=0.8", 303, "text/html"),
        ("/.well-known/void", "image/png", 406, "text/plain"),
    ],
)
def test_the_description_comes_in_what_is_accepted(client: FlaskClient, path: str, accept: str, status: int, answer: str) -> None:
    response = client.get(path, headers={"Accept": accept} if accept else {})
    assert (response.status_code, response.mimetype) == (status, answer)
    assert "Accept" in response.vary
    if status == 200 and answer != "text/html":
        media: Any = ox.RdfFormat.from_media_type(answer)
        triples = {quad.triple for quad in ox.parse(response.data, format=media)}
        files = [
            one.object.value
            for one in triples
            if one.predicate.value.endswith("#dataDump") and isinstance(one.object, ox.NamedNode)
        ]
        assert len(files) > 10
        assert client.get(sorted(files)[0]).status_code == 200
        assert ox.NamedNode("http://localhost/sparql") in {one.object for one in triples}


# command line


def test_the_command_writes_what_is_asked_for(run: Run, place: Workspace, fresh: Snapshot, tmp_path: Path) -> None:
    code, out, _ = run("dump", tmp_path, "-w", place.folder)
    whole = tmp_path / f"kgraph-{fresh.version}.nq.gz"
    assert (code, out.startswith(f"{whole}: {len(fresh.store):,} triples, ")) == (0, True)
    assert same(ox.parse(content(whole), format=ox.RdfFormat.N_QUADS), fresh.store)
    for name in ("study-tiny-2024", "study/tiny-2024", STUDY, fresh.base + STUDY):
        new = tmp_path / str(len(name))
        code, _, _ = run("dump", new, "-w", place.folder, "--graph", name, "--graph", "manifest", "--format", "trig")
        assert sorted(path.name for path in new.iterdir()) == [
            f"kgraph-{fresh.version}-manifest.trig", f"kgraph-{fresh.version}-study-tiny-2024.trig",
        ]  # fmt: skip
    assert not folder_of(fresh.folder).exists()
    _, out, _ = run("dump", "--list", "-w", place.folder)
    assert out.splitlines()[1].split()[:2] == ["all", f"{len(fresh.store):,}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--graph", "study-tiny-2042"), "there is no graph 'study-tiny-2042'. Did you mean study-tiny-2024?"),
        (("--graph", "xyz"), "there is no graph 'xyz'. See which there are: kgraph dump --list"),
        (("--format", "ttl"), "there is no format 'ttl'. Use one of: nq.gz trig jsonld"),
    ],
)
def test_the_command_says_what_is_wrong(run: Run, place: Workspace, tmp_path: Path, arguments: Any, message: str) -> None:
    code, _, told = run("dump", tmp_path / "out", "-w", place.folder, *arguments)
    assert (code, told) == (1, f"error: {message}\n")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(run: Run, place: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, told = run("dump", tmp_path / "file", "-w", place.folder)
    assert code == 1
    assert "the dump cannot be written (File exists). Free space, or allow writing there" in told
