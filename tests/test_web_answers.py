"""How the site answers: data beside pages, errors, nonsense and hostile input, headers, a newly built or damaged snapshot."""

from urllib.parse import quote

import pytest
import rdflib
from flask.testing import FlaskClient

from kgraph.build import build
from kgraph.names import CONCEPT
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.workspace import Workspace
from webpages import Page, crawl

STUDY = "/study/fan-2024"
DATA = [
    "concept/chaxugeju",
    "concepts/mechanism",
    "study/fan-2024",
    "study/fan-2024/quotation/q22",
    "study/fan-2024/assertion/a010",
    "agent/kgraph-coding",
    "study/fan-2024/theme/selective-self-exposure",
    "study/fan-2024/passage/s011",
    "study/fan-2024/coding/q22-yuanfen",
    "place/shanghai",
]


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize(("suffix", "media"), [("ttl", "text/turtle"), ("jsonld", "application/ld+json")])
def test_data_of_a_thing_parses_and_holds_it(client: FlaskClient, snapshot: Snapshot, path: str, suffix: str, media: str) -> None:
    iri = f"https://w3id.org/kgraph/{path.replace('concepts/', 'scheme/')}"
    by_suffix = client.get(f"/{path}.{suffix}")
    assert (by_suffix.status_code, by_suffix.mimetype) == (200, media)
    graph = rdflib.Graph().parse(data=by_suffix.data, format="turtle" if suffix == "ttl" else "json-ld")
    assert (rdflib.URIRef(iri), None, None) in graph
    assert len(graph) == len(snapshot.describe(iri))
    by_accept = client.get(f"/{path}", headers={"Accept": media})
    assert by_accept.data == by_suffix.data
    assert by_accept.headers["Content-Location"] == f"/{path}.{suffix}"
    assert "Accept" in by_accept.vary
    page = client.get(f"/{path}")
    assert f'href="/{path}.{suffix}"' in page.text
    assert f'type="{media}" href="/{path}.{suffix}"' in page.text


def test_a_concept_keeps_its_address_whatever_the_base(tiny_built: Workspace) -> None:
    assert tiny_built.settings.base == "https://example.org/kg/"
    client = create_app(tiny_built).test_client()
    graph = rdflib.Graph().parse(data=client.get("/concept/hope.ttl").data, format="turtle")
    assert (rdflib.URIRef(CONCEPT["hope"]), None, None) in graph
    study = tiny_built.study_files()[0].stem
    graph = rdflib.Graph().parse(data=client.get(f"/study/{study}.ttl").data, format="turtle")
    assert (rdflib.URIRef(f"https://example.org/kg/study/{study}"), None, None) in graph
    for _, _, page in crawl(client):
        assert not page.forbidden


@pytest.mark.parametrize(
    ("path", "accept", "status", "media"),
    [
        (STUDY, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", 200, "text/html"),
        (STUDY, "*/*", 200, "text/html"),
        (STUDY, "text/turtle;q=0.4, text/html;q=0.9", 200, "text/html"),
        (STUDY, "text/turtle, text/html;q=0.9", 200, "text/turtle"),
        (STUDY, "application/ld+json", 200, "application/ld+json"),
        (STUDY, "image/png", 406, "text/plain"),
        ("/study", "text/turtle", 406, "text/plain"),
        ("/concepts", "text/turtle", 406, "text/plain"),
        ("/concepts/mechanism", "text/turtle", 200, "text/turtle"),
        ("/concepts/nothing", "text/turtle", 404, "text/plain"),
        (f"{STUDY}/quotations", "text/turtle", 406, "text/plain"),
        ("/quotations", "text/turtle", 406, "text/plain"),
        ("/concept/no-such-thing", "text/turtle", 404, "text/plain"),
        ("/no-such-thing", "text/turtle", 404, "text/plain"),
        ("/no-such-thing.ttl", "*/*", 404, "text/plain"),
    ],
)
def test_negotiation(client: FlaskClient, path: str, accept: str, status: int, media: str) -> None:
    response = client.get(path, headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (status, media)
    assert "Accept" in response.vary


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("/concept/stigmaa", "/concept/stigma"),
        ("/concept/chaxu-geju", "/concept/chaxugeju"),
        (f"{STUDY}/quotation/q9", f"{STUDY}/quotation/q09"),
        (f"{STUDY}/participant/P15", f"{STUDY}/participant/P1"),
        (f"{STUDY}/theme/selective-self-expsure", f"{STUDY}/theme/selective-self-exposure"),
        ("/study/fan-2023", STUDY),
    ],
)
def test_unknown_things_are_not_found_and_near_ones_named(client: FlaskClient, path: str, suggestion: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert f'href="{suggestion}"' in response.text
    assert 'role="search"' in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/concepts/nothing",
        "/concepts/a-z?letter=%C3%9F",
        "/assertions?kind=Nonsense",
        "/assertions?page=99",
        "/quotations?page=-1",
        "/citations?support=perhaps",
        "/issues?severity=awful",
        "/codings?basis=stars",
        "/references?page=%F0%9F%98%80",
        "/query/nothing",
        "/assertions?study=nothing",
        "/map?family=nothing",
        "/concept/%00",
        "/study/..%2f..%2fkgraph.toml",
        "/static/../app.py",
        f"{STUDY}/nothing/x",
    ],
)
def test_nonsense_is_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (400, 404)
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/assertions?subject=x%20y",
        "/assertions?subject=%3E%20%7D%20DROP",
        "/quotations?theme=%7B%22",
        "/quotations?concept=%22%20%7C%7C%20true",
        "/assertions?object=%00",
        "/assertions?object=http://[",
        "/assertions?study=http://[",
    ],
)
def test_what_is_asked_never_becomes_sparql(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 400 or "0 statements" in response.text or "0 quotations" in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "hostile", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "{{ 7*7 }}", "javascript:alert(1)"]
)
def test_what_people_type_is_escaped(client: FlaskClient, hostile: str) -> None:
    for path in (f"/search?q={quote(hostile)}", f"/concept/{quote(hostile, safe='')}", f"/assertions?concept={quote(hostile)}"):
        text = client.get(path).text
        assert "<img" not in text
        assert "<script" not in text
        assert 'href="javascript' not in text
        assert not Page(text).forbidden
        assert ">49<" not in text


@pytest.mark.parametrize("path", ["/", "/no-such-thing", f"{STUDY}.ttl", "/static/kgraph.css", "/map"])
def test_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_other_methods_are_refused(client: FlaskClient) -> None:
    assert client.post("/").status_code == 405
    assert client.delete(STUDY).status_code == 405
    assert client.head(STUDY).status_code == 200


def test_a_new_snapshot_is_seen_without_restart(copy: Workspace, edit: object) -> None:
    client = create_app(copy).test_client()
    assert client.get(STUDY).status_code == 200
    path = copy.folder / "studies" / "fan-2024.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("naturally occurring peer support in Shanghai day care", "a new name", 1), encoding="utf-8")
    before = client.get("/about").text
    build(copy)
    assert "a new name" in client.get(STUDY).text
    assert client.get("/about").text != before


def test_an_unbuilt_workspace_says_what_to_do(tiny: Workspace) -> None:
    client = create_app(tiny).test_client()
    for path in ("/", STUDY, "/no-such-thing"):
        response = client.get(path)
        assert response.status_code == 503
        assert "kgraph build" in response.text
    assert client.get("/static/kgraph.css").status_code == 200


def test_a_damaged_snapshot_shows_no_traceback(copy: Workspace) -> None:
    version = copy.published_version()
    (copy.snapshots / str(version) / "search.sqlite").write_bytes(b"no database")
    client = create_app(copy).test_client()
    response = client.get("/search?q=hope")
    assert response.status_code == 503
    assert "Traceback" not in response.text
    assert str(copy.folder) not in response.text
