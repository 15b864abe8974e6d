"""Files of strangers: data to be served, and workspaces that one does not trust. Who is called, what is read, what is used up.

YAML is in `test_yamlfile`; archives are the affair of `kgraph restore`.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest

from attacking import SECRET, Listener, run_kgraph
from attacking import listener as listener
from conftest import TINY
from kgraph.build import build
from kgraph.check import check_workspace
from kgraph.datafiles import DataFile, load
from kgraph.dumps import write_dump
from kgraph.errors import KgraphError
from kgraph.evaluate import GRAPHS, Question, Unanswered, answer
from kgraph.snapshot import open_published
from kgraph.stores import EmbeddedStore
from kgraph.vocabulary import parse_turtle
from kgraph.workspace import Workspace
from kgraph.yamlfile import parse_yaml

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://a/"'
THING = '<rdf:RDF {rdf}><rdf:Description rdf:about="http://a/b"><a:p>{text}</a:p></rdf:Description></rdf:RDF>'


def xml(entities: str, text: str) -> str:
    return f"<?xml version='1.0'?><!DOCTYPE r [{entities}]>{THING.format(rdf=RDF, text=text)}"


LAUGHS = '<!ENTITY e0 "lololololo">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BOMBS: dict[str, tuple[Callable[[str], str], str]] = {
    "laughs.rdf": (lambda _: xml(LAUGHS, "&e9;"), "amplification"),
    "quadratic.rdf": (lambda _: xml(f'<!ENTITY e "{"x" * 100_000}">', "&e;" * 100_000), "amplification"),
    "attribute.owl": (lambda _: xml(LAUGHS, "x").replace("http://a/b", "http://a/&e9;"), "amplification"),
    "deep.rdf": (lambda _: f"<rdf:RDF {RDF}>{'<a:C><a:p>' * 150_000}{'</a:p></a:C>' * 150_000}</rdf:RDF>", "1,000 deep"),
    "file.rdf": (lambda secret: xml(f'<!ENTITY e SYSTEM "file://{secret}">', "&e;"), "cannot be read"),
    "call.rdf": (lambda secret: xml('<!ENTITY e SYSTEM "U">', "&e;"), "cannot be read"),
    "parameter.xml": (lambda secret: xml('<!ENTITY % e SYSTEM "U"> %e;', "x"), "cannot be read"),
    "context.jsonld": (lambda _: '{"@context": "U", "@id": "a:a", "p": 1}', "remote contexts"),
    "import.jsonld": (lambda _: '{"@context": {"@version": 1.1, "@import": "U"}, "@id": "a:a", "p": 1}', "cannot be read"),
    "inner.jsonld": (lambda _: '{"http://a/p": {"@context": ["U", {}], "http://a/q": 1}}', "remote contexts"),
    "deep.jsonld": (lambda _: '{"http://a/p":' * 100_000 + "1" + "}" * 100_000, "stack size"),
    "deep.n3": (lambda _: "{" * 100_000, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_files_of_data_that_are_bombs(tmp_path: Path, listener: Listener, name: str) -> None:
    """Each is refused quickly, by its name; some of them once filled 20 GB, or took minutes."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    content, told = BOMBS[name]
    (tmp_path / name).write_text(content(str(secret)).replace('"U"', f'"{listener.address}"'), encoding="utf-8")
    started = time.monotonic()
    with pytest.raises(KgraphError, match=told) as caught:
        load([DataFile(tmp_path / name)], tmp_path / "store")
    assert time.monotonic() - started < 10
    assert SECRET not in str(caught.value)
    assert name in caught.value.problems[0].file
    assert listener.hits == 0


def test_the_command_refuses_them_too(tmp_path: Path) -> None:
    (tmp_path / "laughs.rdf").write_text(xml(LAUGHS, "&e9;"), encoding="utf-8")
    code, told = run_kgraph("serve", "--data", tmp_path / "laughs.rdf", "--port", "0")
    assert (code, "Traceback" in told) == (1, False)
    assert "laughs.rdf: cannot be read: limit on input amplification" in told


def test_files_that_only_look_like_bombs_are_read(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "a.owl").write_text(xml('<!ENTITY a "http://a/"><!ENTITY b "&a;b">', "&b;" * 1000), encoding="utf-8")
    (tmp_path / "b.ttl").write_text(f"<a:a> <a:p> {'[ <a:p> ' * 3000} 1 {']' * 3000} .", encoding="utf-8")
    owl = f"<a:a> <http://www.w3.org/2002/07/owl#imports> <{listener.address}> ; <a:p> <file:///etc/passwd> ."
    (tmp_path / "c.ttl").write_text(owl, encoding="utf-8")
    made = load([DataFile(tmp_path / name) for name in ("a.owl", "b.ttl", "c.ttl")], tmp_path / "store")
    assert made.triples == 1 + 3001 + 2
    assert listener.hits == 0


# a workspace that one does not trust


@pytest.fixture
def suspect(tmp_path: Path) -> Path:
    """A workspace with a folder of its own Turtle."""
    shutil.copytree(TINY, tmp_path / "suspect")
    (tmp_path / "suspect" / "ontology").mkdir()
    return tmp_path / "suspect"


def test_imports_are_not_followed(suspect: Path, listener: Listener) -> None:
    """Neither in a build, nor in a check with the reasoner (where Java is at hand)."""
    (suspect / "ontology" / "own.ttl").write_text(
        f"""@prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
        <{listener.address}/o> a owl:Ontology ; owl:imports <{listener.address}> , <file:///etc/passwd> ;
          rdfs:isDefinedBy <{listener.address}/d> ; rdfs:seeAlso <{listener.address}/s> .""",
        encoding="utf-8",
    )
    workspace = Workspace(suspect)
    try:
        build(workspace)
    except KgraphError as error:
        assert "imports" in str(error)  # noqa: PT017 either way is well, so long as nobody is called
    check_workspace(workspace, with_reasoner=shutil.which("java") is not None)
    assert listener.hits == 0


@pytest.mark.parametrize("iri", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "file:///etc/passwd"])
def test_addresses_nobody_should_follow_are_refused(suspect: Path, iri: str) -> None:
    own = suspect / "ontology" / "own.ttl"
    own.write_text(
        f"""@prefix concept: <https://w3id.org/kgraph/concept/> . @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
concept:hope skos:closeMatch <{iri}> ; <http://www.w3.org/2000/01/rdf-schema#seeAlso> <{iri}> .""",
        encoding="utf-8",
    )
    with pytest.raises(KgraphError, match=f"leads to {iri.partition(':')[0]}"):
        build(Workspace(suspect))
    own.unlink()
    study = suspect / "studies" / "tiny-2024.yaml"
    text = study.read_text(encoding="utf-8")
    for field in ("https://creativecommons.org/licenses/by/4.0/", "10.1234/walk.2024"):
        study.write_text(text.replace(field, iri, 1), encoding="utf-8")
        with pytest.raises(KgraphError, match=r"tiny-2024\.yaml"):
            build(Workspace(suspect))


def test_nesting_that_no_parser_takes_is_an_error_with_a_line(suspect: Path) -> None:
    for opening, closing in (("<< ", ">>"), ("{ ", "}")):
        own = suspect / "ontology" / "own.ttl"
        own.write_text(f"<a:a> <a:p> {opening * 30_000} 1 {closing * 30_000} .", encoding="utf-8")
        with pytest.raises(KgraphError, match=r"own\.ttl:1"):
            parse_turtle(own)


@pytest.mark.parametrize(("opening", "closing"), [("[ <a:p> ", "]"), ("(", ")")])
def test_nesting_that_takes_too_long_is_an_error_with_a_line(suspect: Path, opening: str, closing: str) -> None:
    """Nodes without names are given canonical ones, at a cost that grows with the cube of the nesting."""
    own = suspect / "ontology" / "own.ttl"
    own.write_text(f'<a:a> <a:p> "{"[" * 99}" .\n<a:a> <a:p> {opening * 400} 1 {closing * 400} .', encoding="utf-8")
    with pytest.raises(KgraphError, match=r"own\.ttl:2: brackets stand more than 30 deep"):
        build(Workspace(suspect))


def test_characters_nobody_sees_are_refused_as_escapes_too(suspect: Path) -> None:
    own = suspect / "ontology" / "own.ttl"
    own.write_text('<a:a> <a:p> "well \\u202Etxet" .', encoding="utf-8")
    with pytest.raises(KgraphError, match=r"own\.ttl: .* control character U\+202E"):
        build(Workspace(suspect))


@pytest.mark.parametrize("place", ["studies/tiny-2024.txt", "studies/other.yaml", "ontology/own.ttl", "ontology/own.sssom.tsv"])
def test_links_out_of_a_workspace_tell_nothing(suspect: Path, tmp_path: Path, place: str) -> None:
    """What a link leads to is no source that was coded: the build refuses it, and says nothing of what it holds."""
    outside = tmp_path / "private"
    outside.write_text(f"user: somebody\n{SECRET}\n", encoding="utf-8")
    (suspect / place).unlink(missing_ok=True)
    (suspect / place).symlink_to(outside)
    code, told = run_kgraph("build", "-w", suspect)
    assert code == 1, told
    assert SECRET not in told
    made = [path for path in (suspect / ".kgraph").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert made == []


# letters that are not what they seem


@pytest.mark.parametrize(
    ("slug", "found"),
    [("hоpe", "hоpe"), ("ｈope", "ｈope"), ("hope\u200b", "hope"), ("hope\u202e", "U+202E"), ("ho\u0301pe", "hópe")],
)
def test_letters_that_look_like_others_name_nothing(suspect: Path, slug: str, found: str) -> None:
    study = suspect / "studies" / "tiny-2024.yaml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("concept: hope", f"concept: {slug}", 1), encoding="utf-8")
    with pytest.raises(KgraphError) as caught:
        build(Workspace(suspect))
    assert found in str(caught.value)
    assert caught.value.problems[0].line


def test_words_are_one_whatever_form_they_have(tmp_path: Path) -> None:
    assert parse_yaml('a: "e\\u0301"\n', tmp_path / "x").data == {"a": "é"}


CONTROLS = [
    "\\u0000",
    "\\u0001",
    "\\u000B",
    "\\u001F",
    "\\uFFFE",
    "\\uFFFF",
    "\\u007F",
    "\\u202E",
    "\\uFEFF",
    "\\t\\r\\n",
    "]]>",
    "&<>'",
]


@pytest.mark.parametrize("form", GRAPHS)
def test_every_graph_is_read_again_or_refused(form: str) -> None:
    """Turtle can say U+0001 and XML cannot: then there is an error, not half a graph."""
    store = EmbeddedStore(ox.Store())
    for text in CONTROLS:
        for subject, predicate in (("<a:a>", "<a:b>"), ("_:a", "<http://e/1>"), ("<a:a>", "<a:>")):
            query = f'CONSTRUCT {{ {subject} {predicate} "x{text}y" }} {{}}'
            try:
                made = answer(store, Question(query, "http://e/", graphs=form))
            except Unanswered as error:
                assert (form, error.reason) == ("rdfxml", "unacceptable")  # noqa: PT017
                continue
            if form == "rdfxml":
                ElementTree.fromstring(made.body)  # noqa: S314 our own answer; pyoxigraph is laxer than XML
            (found,) = ox.parse(made.body, format=GRAPHS[form].format)
            (meant,) = store.query(query, "http://e/")
            assert found.object == meant.object, (text, made.body)


@pytest.mark.parametrize("form", ["json", "xml", "csv", "tsv"])
def test_all_rows_are_read_again_or_refused(form: str) -> None:
    store = EmbeddedStore(ox.Store())
    for text in CONTROLS:
        query = f'SELECT ("x{text}y" AS ?a) {{}}'
        try:
            body = answer(store, Question(query, "http://e/", results=form)).body
        except Unanswered as error:
            assert (form, error.reason) == ("xml", "unacceptable")  # noqa: PT017
            continue
        if form == "xml":
            ElementTree.fromstring(body)  # noqa: S314
        if form == "csv":
            continue  # says less than the term: see test_sparql
        rows = ox.parse_query_results(
            body,
            format={"json": ox.QueryResultsFormat.JSON, "xml": ox.QueryResultsFormat.XML}.get(form, ox.QueryResultsFormat.TSV),
        )
        (meant,) = store.query(query, "http://e/")
        assert [row["a"] for row in rows] == [meant["a"]], (text, body)  # type: ignore[union-attr]


def test_dumps_need_nobody_else(tiny_built: Workspace, tmp_path: Path) -> None:
    """JSON-LD that is given to others names no context that has to be fetched."""

    def contexts(value: object) -> list[object]:
        if isinstance(value, list):
            return [found for one in value for found in contexts(one)]
        if isinstance(value, dict):
            return [*([value["@context"]] if "@context" in value else []), *contexts(list(value.values()))]
        return []

    made = write_dump(open_published(tiny_built), None, "jsonld", tmp_path)
    text = made.read_text(encoding="utf-8")
    assert not [one for one in contexts(json.loads(text)) if not isinstance(one, dict) or "@import" in one]
    assert sum(1 for _ in ox.parse(text.encode(), format=ox.RdfFormat.JSON_LD)) > 100
