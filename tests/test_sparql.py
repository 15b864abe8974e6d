"""The SPARQL service as programs meet it: formats, datasets, errors, limits. What W3C cases cover is in `test_w3c_protocol`."""

import csv
import io
import json
import re
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import kgraph
from kgraph.datafiles import DataFile, load
from kgraph.evaluate import GRAPHS, RESULTS
from kgraph.protocol import STATUS
from kgraph.settings import SparqlLimits
from kgraph.web.app import create_data_app

DATA = """
@prefix : <http://e/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:g { :a :p :b , "one\\ntwo, \\"three\\"" , "=1+1" , "zwei"@de , 7 . :b rdfs:label "The b"@en . }
:h { :a :p :c . }
"""
LIMITS = SparqlLimits(
    workers=2, queue=1, seconds=1.5, memory_mib=128, rows=5, size_mib=1, query_bytes=5000, nesting=20, page_rows=3
)
LITERALS = ['one\ntwo, "three"', "=1+1", "zwei", "7"]
ALL = "SELECT ?o { <http://e/a> <http://e/p> ?o }"  # six rows


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "data.trig").write_text(DATA, encoding="utf-8")
    load([DataFile(folder / "data.trig")], folder)
    app = create_data_app(folder, LIMITS)
    yield app.test_client()
    app.extensions["sparql"].pool.close()


def get(client: FlaskClient, query: str, accept: str = "", **more: str) -> TestResponse:
    return client.get("/sparql", query_string={"query": query, **more}, headers={"Accept": accept} if accept else {})


def values(response: TestResponse) -> list[str]:
    """The values of the first variable of JSON results, in order."""
    assert response.status_code == 200, response.text
    found = json.loads(response.data)
    (name, *_) = found["head"]["vars"]
    return [row[name]["value"] for row in found["results"]["bindings"]]


@pytest.mark.parametrize("form", [form for form in RESULTS if form != "sheet"])
def test_rows_in_every_format(client: FlaskClient, form: str) -> None:
    query = f"{ALL[:-1]} FILTER(ISLITERAL(?o)) }}"
    response = get(client, query, RESULTS[form].media)
    assert response.mimetype == RESULTS[form].media, response.text
    if form == "csv":
        assert sorted(row[0] for row in csv.reader(io.StringIO(response.text, newline=""))) == sorted(["o", *LITERALS])
    else:
        found: Any = ox.parse_query_results(response.data, format=RESULTS[form].format)
        assert sorted(row["o"].value for row in found) == sorted(LITERALS)


@pytest.mark.parametrize("form", GRAPHS)
def test_graphs_in_every_format(client: FlaskClient, form: str) -> None:
    response = get(client, "CONSTRUCT WHERE { <http://e/b> ?p ?o }", GRAPHS[form].media)
    assert response.mimetype == GRAPHS[form].media
    (quad,) = ox.parse(response.data, format=GRAPHS[form].format)
    assert quad.object == ox.Literal("The b", language="en")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/sparql-results+json"),
        ("*/*", "application/sparql-results+json"),
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("text/csv;q=0.5, application/sparql-results+xml;q=0.9", "application/sparql-results+xml"),
        ("text/turtle, text/*;q=0.1", "text/csv"),
    ],
)
def test_negotiation(client: FlaskClient, accept: str, media: str) -> None:
    response = get(client, ALL + " LIMIT 1", accept)
    assert response.mimetype == media
    assert "Accept" in response.headers["Vary"]


def test_formats_that_there_are_not(client: FlaskClient) -> None:
    assert get(client, ALL + " LIMIT 1", "image/png").status_code == 406
    assert get(client, "ASK {}", "text/csv").status_code == 406
    response = get(client, ALL + " LIMIT 1", format="turtle")
    assert response.status_code == 406
    assert "csv" in response.text
    assert get(client, "ASK {}", "text/csv", format="xml").mimetype == "application/sparql-results+xml"
    assert get(client, "DESCRIBE <http://e/b>", format="ttl").mimetype == "text/turtle"


def test_methods_and_other_sites(client: FlaskClient) -> None:
    whole, head = get(client, "ASK {}"), client.head("/sparql", query_string={"query": "ASK {}"})
    assert head.data == b""
    assert head.headers["Content-Length"] == str(len(whole.data))
    asked = client.options("/sparql")
    assert asked.status_code == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    wrong = client.delete("/sparql?query=ASK{}")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]
    for response in (whole, head, asked, wrong, get(client, "SELEC")):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_entity_tag_is_of_version_query_and_format(client: FlaskClient) -> None:
    tag = get(client, "ASK {}").headers["ETag"]
    again = client.get("/sparql", query_string={"query": "ASK {}"}, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert get(client, "ASK { }").headers["ETag"] != tag
    assert get(client, "ASK {}", format="xml").headers["ETag"] != tag
    assert len(get(client, "ASK {}").headers["Kgraph-Version"]) == 16


def test_datasets(client: FlaskClient) -> None:
    in_graph = "SELECT ?g { GRAPH ?g { <http://e/a> <http://e/p> <http://e/c> } }"
    only = "SELECT ?o { <http://e/a> <http://e/p> ?o }"
    assert values(get(client, in_graph)) == ["http://e/h"]
    assert values(get(client, only, **{"default-graph-uri": "http://e/h"})) == ["http://e/c"]
    assert values(get(client, only.replace("{", "FROM <http://e/h> {", 1))) == ["http://e/c"]
    assert values(get(client, in_graph, **{"named-graph-uri": "http://e/g"})) == []
    assert values(get(client, in_graph.replace("{", "FROM NAMED <http://e/h> {", 1))) == ["http://e/h"]
    both = get(client, only.replace("{", "FROM <http://e/g> {", 1), **{"default-graph-uri": "http://e/h"})
    assert values(both) == ["http://e/c"]  # what the protocol names goes before what the query names


def test_graphs_that_there_are_not(client: FlaskClient) -> None:
    refused = get(client, "SELECT * FROM <http://127.0.0.1:9/x> { ?s ?p ?o }")
    assert refused.status_code == 400
    assert "there is no graph <http://127.0.0.1:9/x>" in refused.text
    empty = get(client, "SELECT * { ?s ?p ?o }", **{"default-graph-uri": "file:///etc/passwd"})
    assert values(empty) == []
    assert "1 of the graphs named" in empty.headers["Kgraph-Note"]


def test_description_names_what_it_leads_to(client: FlaskClient) -> None:
    wide = get(client, "DESCRIBE <http://e/a>", **{"default-graph-uri": "http://e/g"})
    assert b"The b" in wide.data, wide.text
    found = {str(quad.triple) for quad in ox.parse(wide.data, format=ox.RdfFormat.TURTLE)}
    assert '<http://e/b> <http://www.w3.org/2000/01/rdf-schema#label> "The b"@en' in found
    narrow = get(client, "DESCRIBE <http://e/a>", **{"default-graph-uri": "http://e/h"})
    assert b"The b" not in narrow.data


def test_errors_name_line_and_column(client: FlaskClient) -> None:
    response = get(client, "SELECT *\n{ ?s ?p }")
    assert response.status_code == 400
    assert response.mimetype == "text/plain"
    assert "line 2" in response.text
    assert "2:10" in response.text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("INSERT DATA { <a:a> <a:b> 1 }", 403, "read-only"),
        ("PREFIX a: <a:>\nDELETE WHERE { ?s ?p ?o }", 403, "line 2"),
        ("LOAD <http://127.0.0.1:9/>", 403, "read-only"),
        ("ASK { " + "{" * 30 + "}" * 30 + " }", 400, "20 deep"),
        ("ASK { # " + "x" * 5000 + "\n}", 413, "5,000 bytes"),
    ],
)
def test_what_is_refused(client: FlaskClient, query: str, status: int, told: str) -> None:
    response = get(client, query)
    assert response.status_code == status
    assert told in response.text


@pytest.mark.parametrize("form", RESULTS)
def test_rows_are_whole_or_an_error(client: FlaskClient, form: str) -> None:
    """Six rows, some of them with line breaks and quotation marks, where five are given at most."""
    assert get(client, f"{ALL} LIMIT 5", format=form).status_code == 200
    response = get(client, ALL, format=form)
    assert response.status_code == 422
    assert "more than 5 rows" in response.text


def test_empty_rows_count_too(client: FlaskClient) -> None:
    six = "SELECT ?none { VALUES ?x { 1 2 3 4 5 6 } }"
    for form in ("json", "xml", "csv", "tsv"):
        assert get(client, six, format=form).status_code == 422, form


def test_triples_are_whole_or_an_error(client: FlaskClient) -> None:
    for form in GRAPHS:
        assert get(client, "CONSTRUCT WHERE { <http://e/b> ?p ?o }", format=form).status_code == 200
        assert "more than 5 triples" in get(client, "CONSTRUCT WHERE { ?s ?p ?o }", format=form).text


def test_bytes_are_whole_or_an_error(client: FlaskClient) -> None:
    long = 'SELECT (CONCAT(?c, ?c, ?c, ?c, ?c, ?c, ?c, ?c) AS ?d) { BIND("' + "x" * 1000 + '" AS ?a) '
    long += "BIND(CONCAT(" + ", ".join(["?a"] * 20) + ") AS ?b) BIND(CONCAT(" + ", ".join(["?b"] * 10) + ") AS ?c) }"
    for form in RESULTS:
        response = get(client, long, format=form)
        assert response.status_code == 422, form
        assert "1,048,576 bytes" in response.text


def test_spreadsheets_get_no_formulas_and_sparql_csv_is_standard(client: FlaskClient) -> None:
    query = 'SELECT ?o { <http://e/a> <http://e/p> ?o FILTER(?o = "=1+1") }'
    assert get(client, query, format="csv").data == b"o\r\n=1+1\r\n"
    assert get(client, query, format="sheet").data == b"\xef\xbb\xbfo\r\n'=1+1\r\n"


def test_wrong_requests(client: FlaskClient) -> None:
    assert client.get("/sparql?query=ASK%20%7B%7D&query=ASK%20%7B%7D").status_code == 400
    assert client.get("/sparql?query=%FF").status_code == 400
    assert client.post("/sparql", data=b"\xff", content_type="application/sparql-query").status_code == 400
    assert client.post("/sparql", data=b"ASK {}", content_type="text/plain").status_code == 415
    assert client.post("/sparql", data=b"", content_type="application/sparql-query").status_code == 400
    assert client.get("/sparql?" + "&".join(f"a{n}=1" for n in range(200))).status_code == 400
    assert (
        client.post("/sparql", data=b"query=" + b"x" * (2 << 20), content_type="application/x-www-form-urlencoded").status_code
        == 413
    )
    assert get(client, "ASK {}", version="0000000000000000").status_code == 410


def test_xml_results_are_well_formed(client: FlaskClient) -> None:
    ElementTree.fromstring(get(client, f"{ALL} LIMIT 5", format="xml").data)  # noqa: S314 our own answer


KILLER = "SELECT (COUNT(*) AS ?n) { " + " ".join(f"VALUES ?x{n} {{ {' '.join(map(str, range(60)))} }}" for n in range(6)) + " }"


def test_a_query_that_takes_too_long(client: FlaskClient) -> None:
    response = get(client, KILLER)
    assert response.status_code == 504
    assert "more than 1.5 s" in response.text
    assert get(client, "ASK {}").status_code == 200


def test_a_full_queue_says_when_to_ask_again(client: FlaskClient) -> None:
    """Two workers, and one query that may wait: of five at a time two take too long, and at least two are turned away."""
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(lambda number: get(client, f"{KILLER} #{number}"), range(5)))
    assert sorted({response.status_code for response in found}) == [503, 504]
    busy = [response for response in found if response.status_code == 503]
    assert len(busy) >= 2
    assert all(int(response.headers["Retry-After"]) > 0 for response in busy)
    assert get(client, "ASK {}").status_code == 200


def test_one_worker_is_kept_for_short_queries(client: FlaskClient) -> None:
    """As many queries that take too long as there are workers: short ones are answered meanwhile, if not at once."""
    with ThreadPoolExecutor(2) as threads:
        long = [threads.submit(get, client, f"{KILLER} #{number}") for number in range(2)]
        time.sleep(0.1)
        short = [get(client, "ASK {}").status_code for _ in range(5)]
        assert short == [200] * 5
        assert not all(one.done() for one in long)
    assert sorted(one.result().status_code for one in long) == [503, 504]


def test_the_page_of_the_documentation_is_true() -> None:
    page = (Path(kgraph.__file__).parent.parent / "docs" / "sparql.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert tomllib.loads(block)["sparql"] == SparqlLimits().as_settings()
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE)}
    assert told == set(STATUS.values()) - {500}
    assert all(f"`{form}`" in page for form in (*RESULTS, *GRAPHS))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    from kgraph.errors import KgraphError

    for name, text, told in [
        ("a.ttl", "<a:a> <a:b> .", "cannot be read"),
        ("a.txt", "", "known kind"),
        ("a.rdf", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "cannot be read"),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(KgraphError, match=told) as caught:
            load([DataFile(tmp_path / name)], tmp_path / f"{name}.store")
        assert name in caught.value.problems[0].file
