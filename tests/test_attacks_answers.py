"""Strangers who want more than the graph gives, under both servers: huge answers, updates, files, pages that run something."""

import csv
import io
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyoxigraph as ox
import pytest

from attacking import CROSS, SECRET, TWENTY, Listener, Served
from attacking import listener as listener
from attacking import site as site
from httpserving import send

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the servers are started as on Linux")

# huge answers


def whole(told: Any) -> int:
    """How many rows or triples an answer has, read by a parser that takes nothing that was cut off."""
    if told.media == "text/csv":
        return len(list(csv.reader(io.StringIO(told.body.decode()), strict=True))) - 1
    if told.media == "text/turtle":
        return len(list(ox.parse(told.body, format=ox.RdfFormat.TURTLE)))
    if told.media == "application/sparql-results+json":
        return len(json.loads(told.body)["results"]["bindings"])
    return len(list(ox.parse_query_results(told.body, format=ox.QueryResultsFormat.from_media_type(told.media))))  # type: ignore[arg-type]


def test_answers_are_whole_or_an_error(site: Served) -> None:
    some = "VALUES ?a { " + TWENTY + " } VALUES ?b { " + TWENTY + " } VALUES ?c { " + TWENTY + " }"
    for media in ("application/sparql-results+json", "application/sparql-results+xml", "text/csv", "text/tab-separated-values"):
        told = site.ask(f"SELECT * {{ {some} }}", media)
        assert told.status == 504 or (told.status, whole(told)) == (200, 8000), (media, told.status)
        assert site.ask(f"SELECT ?a {{ {some} VALUES ?d {{ {TWENTY} }} }}", media).status in (422, 504)  # 160,000 rows
    assert site.ask(f"SELECT * {{{CROSS} }}", "text/csv").status in (422, 504)
    graph = site.ask(f"CONSTRUCT {{ ?x <a:b> ?a, ?b }} {{ {some} BIND(IRI(CONCAT('a:', STR(?c))) AS ?x) }}", "text/turtle")
    assert graph.status == 504 or (graph.status, whole(graph)) == (200, 400)
    assert (lambda told: (told.status, whole(told)))(site.ask("SELECT * { VALUES ?a { 1 2 } }", "text/csv")) == (200, 2)


def test_a_page_says_that_it_shows_a_part(site: Served) -> None:
    query = f"SELECT * {{ VALUES ?a {{ {TWENTY} }} VALUES ?b {{ {TWENTY} }} VALUES ?c {{ 1 2 }} }}"
    page = site.get("/sparql?" + urlencode({"query": query}), Accept="text/html").body.decode()
    assert "A part: the first 500 rows." in page
    assert page.count("<tr>") == 501
    assert "which is all" in site.get("/sparql?" + urlencode({"query": query + " LIMIT 400"}), Accept="text/html").body.decode()


# updates


def content(folder: Path) -> str:
    """A hash of the files of the store that is served."""
    (found,) = folder.glob("kgraph-data-*/store")
    return sha256(b"".join(path.read_bytes() for path in sorted(found.rglob("*")) if path.is_file())).hexdigest()


def test_nobody_changes_the_graph(site: Served, listener: Listener) -> None:
    before = content(site.folder)
    form, update, query = "application/x-www-form-urlencoded", "application/sparql-update", "application/sparql-query"
    for text in ("INSERT DATA { <a:a> <a:b> 1 }", "DELETE WHERE { ?s ?p ?o }", "CLEAR ALL", "DROP ALL", "CREATE GRAPH <a:a>",
                 "BASE <a:> PREFIX b: <b:> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }", f"LOAD <{listener.address}>"):  # fmt: skip
        body, named = text.encode(), quote(text)
        for accept in ("", "text/html"):
            headers = {"Accept": accept} if accept else {}
            statuses = {
                "query by GET": send(site.address, "GET", f"/sparql?query={named}", None, **headers),
                "update by GET": send(site.address, "GET", f"/sparql?update={named}", None, **headers),
                "update and query by GET": send(site.address, "GET", f"/sparql?query=ASK%7B%7D&update={named}", None, **headers),
                "query by POST": send(site.address, "POST", "/sparql", body, content_type=query, **headers),
                "update by POST": send(site.address, "POST", "/sparql", body, content_type=update, **headers),
                "query by form": send(site.address, "POST", "/sparql", b"query=" + named.encode(), content_type=form, **headers),
                "update by form": send(site.address, "POST", "/sparql", f"update={named}".encode(), content_type=form, **headers),
            }  # fmt: skip
            assert {told.status for told in statuses.values()} == {403}, {name: told.status for name, told in statuses.items()}
    for method in ("PUT", "PATCH", "DELETE", "MERGE"):
        for path in ("/sparql", "/sparql?graph=http://e/g", "/sparql?default", "/sparql/"):
            assert send(site.address, method, path, b"<a:a> <a:b> 1 .", content_type="text/turtle").status == 405
            assert send(site.address, method, path, b"", content_type=update, Accept="text/html").status == 405
    assert site.ask("INSERT DATA { <a:a> <a:b> 1 }", path="/sparql/update").status in (404, 405)
    assert content(site.folder) == before
    assert site.ask("SELECT * { ?s ?p ?o }").body.count(b'"o"') == 8  # in the head, and 7 triples
    assert listener.hits == 0


# files, and what the server tells


def test_no_path_leads_to_files(site: Served) -> None:
    secret = str(site.folder / "secret.ttl")
    up = "../" * 12
    dots, slashes = up.replace(".", "%2e"), up.replace("/", "%2f")
    paths = (
        f"/static/{up}{secret}", f"/static/{dots}{secret}", f"/static/..%2f{slashes}{secret}", f"/static//{secret}",
        f"/static/{quote(secret, safe='')}", f"//{secret}", f"/static/..%5c..%5c{secret}", f"/{secret}", f"/static/%00{secret}",
        f"/static/kgraph.css%00/{up}{secret}", "/static/../secret.ttl", f"/sparql/{up}{secret}",
    )  # fmt: skip
    for path in paths:
        answer = site.raw(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert SECRET.encode() not in answer
        assert answer[9:12] in (b"400", b"404", b"308"), (path, answer[:100])


def test_headers_say_that_nothing_runs(site: Served) -> None:
    ask = "/sparql?query="
    told = {
        "page": site.get("/sparql", Accept="text/html"),
        "answer": site.get(ask + "ASK%7B%7D"),
        "description": site.get("/sparql"),
        "page of an error": site.get(ask + "nonsense", Accept="text/html"),
        "file": site.get("/static/kgraph.css"),
        "302": site.get("/"),
        "400": site.get(ask + "nonsense"),
        "403": site.get(ask + "CLEAR%20ALL"),
        "404": site.get("/nothing"),
        "405": send(site.address, "DELETE", "/sparql"),
        "405 of a page": send(site.address, "POST", "/static/kgraph.css"),
        "406": site.get(ask + "ASK%7B%7D", Accept="image/png"),
        "410": site.get(ask + "ASK%7B%7D&version=0"),
        "413 of a query": site.ask("#" + "x" * 70_000),
        "415": send(site.address, "POST", "/sparql", b"x"),
        "422": site.ask(f"SELECT * {{{CROSS} }} LIMIT 160000", "text/csv"),
    }
    for name, answer in told.items():
        policy = answer.headers.get("content-security-policy", "")
        assert "default-src 'self'" in policy, name
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff", name
        if answer.media != "text/html":
            assert answer.media.startswith(("text/", "application/", "")), name
    for request in (b"BAD", b"GET / HTTP/1.1\r\nHost: a\r\n<img src=x onerror=alert(1)>\r\n\r\n",
                    b"POST /sparql HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9999999\r\n\r\n",
                    b"GET /" + b"<img>" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"):  # fmt: skip
        answer_ = site.raw(request + b"\r\n\r\n").lower()  # what the server says by itself, before kgraph is asked
        assert b"<img" not in answer_
    too_long = site.raw(b"POST /sparql HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9999999\r\n\r\n")
    if b" 413 " in too_long.splitlines()[0] and b"bytes" in too_long:  # by kgraph's own door
        assert b"content-security-policy" in too_long.lower()
        assert b"text/html" not in answer_
