"""Pages: whatever stands in a question, in an answer or in the sources, nothing of it runs, and nobody is led to it.

Most of it needs no server; what the servers say by themselves is in `test_attacks_answers`.
"""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyoxigraph as ox
import pytest
from flask import Flask
from flask.testing import FlaskClient

from attacking import DATA, IMG, Elements, schemes
from conftest import TINY
from kgraph.build import build
from kgraph.datafiles import DataFile, load
from kgraph.queries import load_queries
from kgraph.settings import SparqlLimits
from kgraph.web.app import create_app, create_data_app
from kgraph.workspace import Workspace
from webpages import crawl

LIMITS = SparqlLimits(workers=2, seconds=10)
KINDS = ("pages", "competency", "checks")
OWN = f"""
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix concept: <https://w3id.org/kgraph/concept/> .
@prefix kg: <https://w3id.org/kgraph/ontology#> . @prefix dcterms: <http://purl.org/dc/terms/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
concept:river-walk a skos:Concept , kg:Mechanism ; skos:prefLabel "=1+1 {IMG}"@en , "@沿河 {IMG}"@zh-Hans ;
  skos:altLabel "{IMG}"@en ; dcterms:identifier "river-walk" ; skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ;
  kg:labelStatus "back-translated" ; skos:definition "{IMG} A walk."@en , "{IMG} 沿河步行。"@zh-Hans ; dcterms:source "{IMG}" ;
  skos:scopeNote "{IMG}"@en ; skos:topConceptOf <https://w3id.org/kgraph/scheme/mechanism> ; rdfs:seeAlso <urn:x:alert> .
"""
HOSTILE = (
    IMG,
    f"</textarea>{IMG}",
    f'"><script>alert(1)</script>{IMG}',
    "' autofocus onfocus=alert(1) x='",
    "{{ 7*7 }}",
    f"</title>{IMG}",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A workspace whose texts are markup, formulas, and IRIs that nobody should follow."""
    folder = tmp_path_factory.mktemp("hostile") / "tiny"
    shutil.copytree(TINY, folder)
    (folder / "ontology").mkdir()
    (folder / "ontology" / "own.ttl").write_text(OWN, encoding="utf-8")
    study = folder / "studies" / "tiny-2024.yaml"
    text = study.read_text(encoding="utf-8")
    for old in (
        "A walking group", "步行小组", "Walking together", "Brook B", "A Coder", "First reading", "River centre", "Company",
        "Being waited for gives hope.", "Somebody waits.", "People walk with each other.", "She names the one",
    ):  # fmt: skip
        assert f'"{old}' in text, old
        text = text.replace(f'"{old}', f'"={IMG}{old}')
    study.write_text(text.replace("concept: hope", "concept: river-walk", 1), encoding="utf-8")
    settings = folder / "kgraph.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("A tiny workspace", f"A tiny {IMG}"), encoding="utf-8")
    build(Workspace(folder))
    app = create_app(Workspace(folder), LIMITS)
    yield app.test_client()
    app.extensions["sparql"].pool.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Some triples, without a workspace."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "data.trig").write_text(DATA, encoding="utf-8")
    load([DataFile(folder / "data.trig")], folder)
    app = create_data_app(folder, LIMITS)
    yield app.test_client()
    app.extensions["sparql"].pool.close()


def page(client: FlaskClient, path: str, **parameters: str) -> Elements:
    """The page at a path, for parameters; it has nothing that could run, and leads nowhere but to pages."""
    told = client.get(f"{path}?{urlencode(parameters)}" if parameters else path, headers={"Accept": "text/html"})
    if told.mimetype != "text/html":  # an error in words, which nobody takes for a page
        assert (told.mimetype, told.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")
        return Elements("")
    found = Elements(told.text)
    assert found.active == [], (path, parameters)
    assert schemes(found.leads) <= {"", "http", "https", "mailto"}
    assert "unsafe" not in told.headers["Content-Security-Policy"]
    assert ">49<" not in told.text
    return found


# what people type


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_typed_adds_no_element(hostile: FlaskClient, data: FlaskClient, text: str) -> None:
    plain = "nothing"
    for client in (hostile, data):
        for name in ("query", "version", "answer", "format", "default-graph-uri", "named-graph-uri", "example", text):
            for query in ("ASK {}", "SELECT * { ?s ?p ?o } LIMIT 3", "CLEAR ALL", "nonsense"):
                given = {"query": query, name: plain}
                found = page(client, "/sparql", **given | {name: text})
                assert found.tags == page(client, "/sparql", **given).tags, (name, query)
        for path in (f"/{text}", f"/query/{text}", f"/study/{text}/x", "/static/" + text):
            page(client, path.replace("?", "%3F").replace("#", "%23"))
        for headers in (
            {"Referer": text},
            {"User-Agent": text},
            {"Accept-Language": text},
            {"Host": text},
            {"X-Forwarded-Host": text},
        ):
            told = client.get("/nothing-there", headers={"Accept": "text/html", **headers})
            assert not Elements(told.text).active
    for query_ in ("quotations-of-concept", "study-design"):
        for parameter in next(load_queries(kind)[query_] for kind in KINDS if query_ in load_queries(kind)).parameters:
            assert (
                page(hostile, f"/query/{query_}", **{parameter: text}).tags
                == page(hostile, f"/query/{query_}", **{parameter: "a b"}).tags
            )


IRIS = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<b>", "vbscript:x", "file:///etc/passwd", "blob:x",
    "about:blank", "view-source:http://e/", "http://e/\"onmouseover=alert(1)", "x-y:z",
)  # fmt: skip


def test_answers_add_no_element_and_lead_to_pages_alone(hostile: FlaskClient, data: FlaskClient) -> None:
    literals = " ".join(str(ox.Literal(text)) for text in HOSTILE)
    for client in (hostile, data):
        found = page(client, "/sparql", query=f"SELECT ?x {{ VALUES ?x {{ {literals} }} }}")
        assert found.tags.count("td") == len(HOSTILE)
        values = " ".join(str(ox.Literal(iri)) for iri in IRIS)
        found = page(client, "/sparql", query=f"SELECT (IRI(?s) AS ?x) {{ VALUES ?s {{ {values} }} }}")
        assert found.tags.count("td") == len(IRIS)
        assert not [lead for lead in found.leads if "alert(1)" in lead and not lead.startswith("/sparql?")]
        page(client, "/sparql", query=f"CONSTRUCT {{ <javascript:alert(1)> <a:b> '{IMG}' }} {{}}")
        page(client, "/sparql", query=f"SELECT ('x'@en-onload AS ?onload) (STRDT('x', <javascript:{'x'}>) AS ?y) {{}}")
    assert (
        "href" in data.get("/sparql?query=SELECT%20(%3Chttp://e/%3E%20AS%20%3Fx)%20%7B%7D", headers={"Accept": "text/html"}).text
    )


# what stands in the sources


def test_sources_add_no_element_to_any_page(hostile: FlaskClient) -> None:
    seen = 0
    for address, _, found in crawl(hostile):
        seen += 1
        assert found.forbidden == [], address
        assert schemes(found.links) <= {"", "http", "https", "mailto"}, address
    assert seen > 30
    assert "&lt;img src=x" in hostile.get("/concept/river-walk").text


def test_no_csv_for_people_has_formulas(hostile: FlaskClient) -> None:
    app: Flask = hostile.application
    tables = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith(".csv")]
    assert "/map.csv" in tables
    sheets = [hostile.get(table).text for table in tables if hostile.get(table).status_code == 200]
    labels = "SELECT ?a { VALUES ?a { '=1' '+1' '-1+1' '@A1' '\\t=1' '\\r=1' ' =1'} }"
    sheets.append(hostile.get("/sparql", query_string={"query": labels, "format": "sheet"}).text)
    cells = [cell for sheet in sheets for row in csv.reader(io.StringIO(sheet.lstrip("\ufeff"), newline="")) for cell in row]
    assert len(cells) > 10
    assert [cell for cell in cells if re.match(r"[=+@\t\r]|-(?![\d.]+$)", cell)] == []


# errors


def test_errors_nobody_foresaw_say_nothing_and_run_nothing(hostile: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "data.trig").write_text(DATA, encoding="utf-8")
    load([DataFile(tmp_path / "data.trig")], tmp_path)
    for app in (
        create_app(Workspace(Path(hostile.application.extensions["kgraph"].workspace.folder))),
        create_data_app(tmp_path, LIMITS),
    ):

        def fail() -> str:
            raise RuntimeError(f"secret {IMG}")

        app.add_url_rule("/fail", "fail", fail)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        for accept in ("text/html", ""):
            told = app.test_client().get("/fail", headers={"Accept": accept} if accept else {})
            assert told.status_code == 500
            assert "secret" not in told.text
            assert told.mimetype == "text/plain" or not Elements(told.text).active
            assert "default-src 'self'" in told.headers["Content-Security-Policy"]
            assert told.headers["X-Content-Type-Options"] == "nosniff"


# named queries

PAYLOADS = (
    '"', '\\"', '" } UNION { ?s ?p ?o } #', "hope> } UNION { ?s ?p ?o } #", "' || true || '", "?x", "_:b",
    "}\nSELECT * { ?s ?p ?o", "http://[", "a:%zz", "a:\x01", "a:\ufdd0", "hope\x00",
)  # fmt: skip


def rows(client: FlaskClient, name: str, given: dict[str, str]) -> tuple[int, str]:
    told = client.get(f"/query/{name}?{urlencode(given)}", headers={"Accept": "text/html"})
    found = re.search(r"([\d,]+) rows?(, which is all|</strong>)", told.text)
    return told.status_code, found[1] if found else ""


def test_what_is_given_to_a_named_query_stays_a_term(hostile: FlaskClient) -> None:
    """Each of them answers as if nothing had that name, or says what is wrong."""
    asked = 0
    for kind in KINDS:
        for query in load_queries(kind).values():
            if not query.parameters:
                continue
            nothing = dict.fromkeys(query.parameters, "no-such-thing")
            nothing |= {name: "-7" for name, what in query.parameters.items() if what == "integer"}
            status, number = rows(hostile, query.name, nothing)
            assert (status, bool(number)) == (200, True), query.name
            for payload in PAYLOADS if asked < 60 else PAYLOADS[2:5]:
                for name in query.parameters:
                    asked += 1
                    told = rows(hostile, query.name, nothing | {name: payload})
                    assert told in ((200, number), (400, "")), (query.name, name, payload)
    assert asked > 200


# other sites


def test_no_route_but_the_query_page_takes_a_form(hostile: FlaskClient, data: FlaskClient) -> None:
    """Whoever adds the first that changes something gives it a token against forms of other sites, and a test of that."""
    for client in (hostile, data):
        rules = client.application.url_map.iter_rules()
        more = {rule.rule: rule.methods - {"GET", "HEAD", "OPTIONS"} for rule in rules if rule.methods}
        assert {rule: methods for rule, methods in more.items() if methods} == {"/sparql": {"POST"}}
    for path in ("/", "/study/tiny-2024", "/query/study-design", "/static/kgraph.css", "/map"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert hostile.open(path, method=method, headers={"Origin": "https://elsewhere.example"}).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/study/../kgraph.toml", "/texts/tiny-2024.txt", "/snapshots/current", "/.kgraph/snapshots/current", "/dumps/../current",
        "/study/%2e%2e/%2e%2e/kgraph.toml", "/static/%2e%2e/app.py", "/study/tiny-2024/..%2f..%2fkgraph.toml", "//etc/passwd",
        "/study/tiny-2024.yaml", "/studies/tiny-2024.yaml", "/kgraph.toml", "/query/..%2fpages%2flabels",
        "/harvest/..%2f..%2fkgraph.toml", "/study/tiny-2024%00.ttl", "/work/..%2fkgraph.toml", "/concept/..%2fkgraph.toml.ttl",
    ],
)  # fmt: skip
def test_no_page_gives_files_away(hostile: FlaskClient, path: str) -> None:
    told = hostile.get(path, headers={"Accept": "text/html"})
    assert told.status_code in (308, 400, 404)
    for letters in ("root:", "languages =", 'kgraph: "1"', "import ", "passes:"):
        assert letters not in told.text


def test_versions_are_no_paths(hostile: FlaskClient) -> None:
    for version in ("../current", "..", ".", "current", "/etc", "../snapshots/" + "x" * 16, "*", "\x00"):
        told = hostile.get("/sparql", query_string={"query": "ASK {}", "version": version})
        assert told.status_code == 410, version
        assert str(hostile.application.extensions["kgraph"].workspace.folder) not in told.text
