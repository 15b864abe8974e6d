"""The query page and the pages of named queries, as people without script meet them; and answers that can be cited."""

import html
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from kgraph.build import build
from kgraph.queries import load_queries
from kgraph.web import create_app
from kgraph.workspace import Workspace
from webpages import Page

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MECHANISMS = 'SELECT ?c ?l { ?c a kg:Mechanism ; skos:prefLabel ?l FILTER(LANG(?l) = "en") } ORDER BY ?l'


def page(client: FlaskClient, path: str = "/sparql", **arguments: str) -> TestResponse:
    response = client.get(path, query_string=arguments, headers=BROWSER)
    assert response.mimetype == "text/html"
    assert not Page(response.text).forbidden
    return response


def permalink(response: TestResponse) -> str:
    found = re.search(r'href="([^"]*)">This answer of this version', response.text)
    assert found, response.text
    return html.unescape(found[1])


def test_the_form_has_something_to_begin_with(client: FlaskClient) -> None:
    text = page(client).text
    assert "PREFIX kg: &lt;https://w3id.org/kgraph/ontology#&gt;" in text
    assert "/sparql?example=" in text
    name = next(name for name, query in load_queries("competency").items() if not query.parameters)
    assert "SELECT" in page(client, example=name).text
    assert client.get("/sparql", headers={"Accept": "*/*"}).mimetype == "text/turtle"


def test_rows_with_labels_links_and_downloads(client: FlaskClient) -> None:
    text = page(client, query=MECHANISMS).text
    assert re.search(r'<a href="/concept/empathy" title="https://w3id.org/kgraph/concept/empathy">\w', text)
    assert '<td lang="en">' in text
    assert re.search(r"\d+ rows, which is all", text)
    assert re.search(r"\d+ ms", text)
    for form in ("json", "xml", "csv", "tsv", "sheet"):
        found = re.search(rf'href="([^"]*format={form})"', text)
        assert found
        assert client.get(html.unescape(found[1]), headers=BROWSER).status_code == 200


def test_a_part_says_that_it_is_one(client: FlaskClient) -> None:
    text = page(client, query="SELECT * { ?s ?p ?o } LIMIT 501").text
    assert "A part: the first 500 rows." in text
    assert text.count("<tr>") == 501
    assert "500 rows, which is all" in page(client, query="SELECT * { ?s ?p ?o } LIMIT 500").text


def test_yes_no_graphs_and_nothing(client: FlaskClient) -> None:
    assert "Yes." in page(client, query="ASK { concept:hope a skos:Concept }").text
    assert "No." in page(client, query="ASK { concept:hope a kg:Study }").text
    assert "@prefix" in page(client, query="DESCRIBE concept:hope").text
    assert "0 rows, which is all" in page(client, query="SELECT * { concept:hope a kg:Study ; ?p ?o }").text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("SELECT *\n{ ?s ?p }", 400, "line 2"),
        ("CLEAR ALL", 403, "read-only"),
        ("SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }", 403, "SERVICE"),
        ("ASK { # " + "x" * 70_000 + "\n}", 413, "65,536 bytes"),
        ("<img src=x onerror=alert(1)>", 400, "&lt;img"),
    ],
)
def test_errors_keep_what_was_written(client: FlaskClient, query: str, status: int, told: str) -> None:
    response = page(client, query=query)
    assert response.status_code == status
    assert told in response.text
    assert 'role="alert"' in response.text
    if status != 413:
        assert html.escape(query.splitlines()[-1], quote=False).split("&")[0] in response.text


def test_what_comes_back_is_no_markup(client: FlaskClient) -> None:
    query = 'SELECT ?a ?b { VALUES (?a ?b) { (<javascript:alert(1)> "<script>alert(1)</script>") } }'
    found = Page(page(client, query=query).text)
    assert not any(link.startswith("javascript:") for link in found.links)


def test_an_answer_can_be_cited(client: FlaskClient) -> None:
    cited = permalink(page(client, query=MECHANISMS))
    again = client.get(cited, headers=BROWSER).text
    assert "The answer is the one that was cited, row for row" in again
    other = re.sub("answer=[0-9a-f]+", "answer=0000000000000000", cited)
    assert "The answer differs now from the one that was cited" in client.get(other, headers=BROWSER).text
    gone = re.sub("version=[0-9a-f]+", "version=0123456789abcdef", cited)
    told = client.get(gone, headers=BROWSER).text
    assert "Version 0123456789abcdef is not kept any more" in told
    assert "The answer is the one that was cited" in told


def test_an_answer_comes_from_the_version_that_was_cited(copy: Workspace, edit: Callable[[str, str], object]) -> None:
    app = create_app(copy)
    client = app.test_client()
    count = "SELECT ?l { <https://w3id.org/kgraph/study/fan-2024> kg:sampleSize ?l }"
    try:
        old = permalink(page(client, query=count))
        edit("sampleSize: 14", "sampleSize: 15")
        build(copy)
        assert client.get(old, headers=BROWSER).text.count('<td class="number">14</td>') == 1
        assert page(client, query=count).text.count('<td class="number">15</td>') == 1
        version = re.search("version=([0-9a-f]+)", old)
        assert version
        data = client.get("/sparql", query_string={"query": count, "version": version[1], "format": "csv"})
        assert data.data == b"l\r\n14\r\n"
        assert data.headers["Kgraph-Version"] == version[1]
    finally:
        app.extensions["sparql"].pool.close()


def test_named_queries_are_asked_with_terms(client: FlaskClient) -> None:
    response = page(client, "/query/quotations-of-concept", concept="empathy")
    assert "which is all" in response.text
    assert 'value="empathy"' in response.text
    again = client.get(permalink(response), headers=BROWSER).text
    assert "The answer is the one that was cited" in again
    hostile = page(client, "/query/quotations-of-concept", concept='empathy> } #"')
    assert hostile.status_code == 400
    assert "is no IRI" in hostile.text
    plain = next(name for name, query in load_queries("competency").items() if not query.parameters)
    assert "which is all" in page(client, f"/query/{plain}", run="1").text


def test_the_command_line_stops_too(workspace: Workspace) -> None:
    killer = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
    command = [sys.executable, "-m", "kgraph", "query", killer, "-w", str(workspace.folder), "--seconds"]
    ran = subprocess.run([*command, "0.5"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "the answer took more than 0.5 s" in ran.stderr
    with subprocess.Popen([*command, "60"]) as running:
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) in (-signal.SIGINT, 130)
