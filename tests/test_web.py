"""The web pages: each kind of page, every link, data beside pages, errors, and what is never shown."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urldefrag, urljoin, urlsplit

import pytest
import rdflib
from flask.testing import FlaskClient

from kgraph.anchors import Span, plain
from kgraph.build import build
from kgraph.names import CONCEPT, ONTOLOGY
from kgraph.queries import load_queries
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.web.highlight import LONGEST, excerpts
from kgraph.workspace import Workspace

STUDY = "/study/fan-2024"
PAGES = {
    "/": [
        "Where to begin",
        "If you do research",
        "If you write policy",
        "If you keep a vocabulary",
        "<strong>31</strong> quotations",
    ],
    "/search?q=loneliness": ["Concepts", 'href="/concept/loneliness"', 'lang="zh-Hans"'],
    "/search?q=%E5%B7%AE%E5%BA%8F%E6%A0%BC%E5%B1%80": ['href="/concept/chaxugeju"'],
    "/concepts": ["/concepts/mechanism", "作用机制|机制"],
    "/concepts/mechanism": ['href="/concept/reciprocity"', "/concept/reciprocity#quotations"],
    "/concepts/a-z?letter=R": ['href="/concept/reciprocity"', ", see "],
    "/concept/reciprocity": [
        "互惠",
        "Source of the definition",
        "established term",
        "What participants said",
        "Findings",
        "Map around it",
    ],
    "/concept/chaxugeju": ["差序格局", "chāxùgéjú", "/concept/idea-of-personal-relations", "Themes", "Fei X"],
    "/study": [f'href="{STUDY}"', "14 participants"],
    STUDY: [
        "Sunshine Soul Park",
        "snowball sampling",
        "SJUPN-202126",
        "20BSH162",
        "What positive/negative influences",
        "40.6",
        "38.79 to 42.14",
        "阳光心园",
        "CC BY 4.0",
        "3.2.1",
        "/assertions?kind=Finding",
        f"{STUDY}/issue/I01",
    ],
    f"{STUDY}/theme/selective-self-exposure": ["3.2.1", f"{STUDY}/quotation/q09#in-context", "Statements that rest on it"],
    f"{STUDY}/quotation/q22": [
        "<mark>I feel that relationships",
        "Verified letter for letter",
        f"{STUDY}/quotation/q27",
        "one witness",
        "CC BY 4.0",
        "named by the participant",
        "seen by an analyst only",
        "confidence 95%",
        "spoken in Chinese",
        "Where it belongs",
    ],
    f"{STUDY}/quotation/q26": ["<mark>", "Broken by a change of column"],
    f"{STUDY}/participant/P3": ["Schizophrenia", "36-40", f"{STUDY}/quotation/q02", "<mark>P3/M"],
    f"{STUDY}/reference/5": ["As printed", "What is wrong", "set in italics", "/assertion/"],
    f"{STUDY}/issues": ["I01", "major"],
    f"{STUDY}/issue/I01": ["single (14/14, 100%)", "12 unmarried (85.7%), 2 divorced (14.3%)", "Printed", "P12", "<mark>"],
    f"{STUDY}/passage/s011": ["<mark>It is crucial to consider", "What rests on it", f"{STUDY}/assertion/"],
    "/quotations": ["31 quotations of", "one witness", "Licence"],
    "/quotations?concept=reciprocity": ["2 quotations of", ">1 speaker<", "/concept/reciprocity"],
    "/assertions?kind=Recommendation": ["Recommendations", "what the authors say ought to be done"],
    "/assertions?concept=loneliness": ["/concept/loneliness"],
    "/themes": ["3.3.3"],
    "/participants": ["P14"],
    "/references?corrected=yes": ["printed with an error"],
    "/citations?support=weak": ["supports it weakly"],
    "/codings?basis=analyst": ["seen by an analyst only"],
    "/issues?severity=major": ["I01"],
    "/about": ["graph/study/fan-2024", "Apache License 2.0", "CC BY 4.0"],
    "/query": ["quotation-about"],
    "/query/quotation-about": ["SELECT", "a kg:Quotation"],
    "/ontology": ['id="restsOn"', "依据"],
    "/agent/kgraph-coding": ["kgraph coding", "No person has reviewed"],
    f"{STUDY}/site/sunshine-soul-park": ["阳光心园"],
    f"{STUDY}/coding/q22-yuanfen": ["analyst", "yuanfen"],
    "/map": ["<svg"],
}
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


class Page(HTMLParser):
    """The links, ids, headings and what is forbidden in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.forbidden: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag in ("a", "link") and values.get("href"):
            self.links.append(str(values["href"]))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("script", "style", "iframe", "img") or any(name == "style" or name.startswith("on") for name in values):
            self.forbidden.append(tag)


@pytest.mark.parametrize("path", PAGES)
def test_page_has_its_content(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    missing = [part for part in PAGES[path] if not any(choice in response.text for choice in part.split("|"))]
    assert not missing


OF_ONE_KIND = 10


def crawl(client: FlaskClient) -> Iterator[tuple[str, str, Page]]:
    """The pages that can be reached, as their address, the page that first links to them, and what they hold.

    Of pages that differ only in the last part of their address, `OF_ONE_KIND` are read; of the others, the data.
    """
    found = {"/": ""}
    waiting = ["/"]
    read: Counter[str] = Counter()
    while waiting:
        address = waiting.pop(0)
        kind = re.sub(r"[^/=&]+(?=$|&)", "*", address)
        read[kind] += 1
        if read[kind] > OF_ONE_KIND and address.startswith(("/study/", "/concept/")):
            if "?" not in address:
                assert client.get(f"{address}.ttl").status_code == 200, f"{found[address]} links to {address}"
            continue
        response = client.get(address)
        if response.status_code in (301, 302, 308):
            assert urlsplit(response.location).path in found, f"{address} leads to {response.location}"
            continue
        assert response.status_code == 200, f"{found[address]} links to {address}: {response.status_code}"
        if response.mimetype != "text/html":
            continue
        page = Page(response.text)
        yield address, found[address], page
        for link in page.links:
            target = urldefrag(urljoin(address, link)).url
            if urlsplit(link).scheme or target.endswith((".ttl", ".jsonld")) or target in found:
                continue
            found[target] = address
            waiting.append(target)


def test_every_link_of_the_site_leads_somewhere(client: FlaskClient) -> None:
    pages = {address: page for address, _, page in crawl(client)}
    assert len(pages) > 150
    for address, page in pages.items():
        assert not page.forbidden, f"{address} holds {page.forbidden}"
        assert len(page.ids) == len(set(page.ids)), f"{address} has an id twice"
        assert (page.headings[0], page.headings.count(1)) == (1, 1), f"{address} needs one first heading: {page.headings}"
        steps = [after - before for before, after in zip(page.headings, page.headings[1:], strict=False)]
        assert max(steps, default=0) <= 1, f"{address} skips a level: {page.headings}"
        for link in page.links:
            target, fragment = urldefrag(urljoin(address, link))
            if fragment and target in pages:
                assert fragment in pages[target].ids, f"{address} links to {link}, which has no such part"
    kinds = {re.sub(r"[^/]+$", "*", address) for address in pages}
    assert {
        f"{STUDY}/{kind}/*"
        for kind in ("quotation", "assertion", "theme", "reference", "participant", "issue", "passage", "coding")
    } <= kinds


def test_every_passage_is_marked_whole(snapshot: Snapshot) -> None:
    rows = snapshot.query(
        "SELECT ?start ?end ?exact WHERE { ?passage a kg:Passage ; oa:hasSelector ?quote , ?position . ?quote oa:exact ?exact ."
        " ?position oa:start ?start ; oa:end ?end }"
    )
    text = snapshot.source_text("fan-2024")
    assert text is not None
    number = 0
    for row in rows:
        number += 1
        found = excerpts(text, [Span(int(row["start"].value), int(row["end"].value))])
        marked = "".join(piece.words for paragraph in found[0] for piece in paragraph.pieces if piece.marked)
        assert "".join(plain(marked).split()) == "".join(plain(re.sub("</?sup>|</?b>|^#+ ", "", row["exact"].value)).split())
    assert number > 250


def test_near_passages_share_an_excerpt_and_long_paragraphs_are_cut() -> None:
    long = "word " * 600
    text = f"{long}\n\nOne two three. Four *five* six.\n\nSeven.\n\n# Eight\n\nNine.\n\nTen.\n\nEleven.\n"
    one, two = Span(text.index("two"), text.index("three")), Span(text.index("*five"), text.index(" six"))
    [excerpt] = excerpts(text, [two, one])
    assert [piece.words for piece in excerpt[1].pieces] == ["One ", "two ", "three. Four ", "five", " six."]
    before = "".join(piece.words for piece in excerpt[0].pieces)
    assert before.startswith("… ")
    assert len(before) < LONGEST + 10
    assert excerpt[-1].pieces[0].words == "Seven."
    assert len(excerpts(text, [one, Span(text.index("Eleven"), len(text))])) == 2


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


def test_both_languages_stand_side_by_side(client: FlaskClient) -> None:
    for path in (
        "/concept/reciprocity",
        f"{STUDY}/assertion/a010",
        f"{STUDY}/issue/I01",
        STUDY,
        "/assertions",
        "/concepts/outcome",
    ):
        assert re.search(r'lang="zh-Hans"[^>]*>[^<]*[\u4e00-\u9fff]', client.get(path).text), path


def test_an_assertion_is_told_in_plain_words(client: FlaskClient, snapshot: Snapshot) -> None:
    [row, *_] = snapshot.query("SELECT ?a ?hedge WHERE { ?a a kg:Finding ; kg:hedge ?hedge }")
    text = client.get("/assertions?kind=Finding").text + client.get("/assertions?kind=Finding&page=2").text
    assert f"hedged: “{row['hedge'].value}”" in text
    page = client.get("/" + row["a"].value.removeprefix(snapshot.base)).text
    assert "rests on this study’s own data" in page
    assert "the paper’s own words of caution" in page
    assert "<mark>" in page


def test_map_edges_lead_to_the_assertions_they_count(client: FlaskClient, snapshot: Snapshot) -> None:
    for edge in snapshot.network["edges"][:25]:
        path = f"/assertions?subject={edge['subject']}&relation={edge['relation']}&object={edge['object']}&drawn=yes"
        text = client.get(path).text
        assert f"{edge['count']} statement" in text
        assert all(f'href="/{iri.removeprefix(snapshot.base)}' in text for iri in edge["assertions"])


def test_counts_agree_with_the_lists_they_lead_to(client: FlaskClient, snapshot: Snapshot) -> None:
    home = client.get("/").text
    for path, words in (
        ("quotations", "quotations"),
        ("assertions", "statements"),
        ("references", "references"),
        ("citations", "uses"),
        ("codings", "codings"),
    ):
        found = re.search(rf'<a href="/{path}"><strong>(\d+)</strong>', home)
        assert found is not None
        assert f"{found[1]} {words}" in client.get(f"/{path}").text


def test_what_is_known_from_elsewhere_is_no_quotation(workspace: Workspace) -> None:
    app = create_app(workspace)
    with app.test_request_context("/"):
        parts: Any = app.jinja_env.get_template("parts.html").module
        shown = str(parts.words({"text": "They cope.", "language": "en", "anchorStatus": "secondary"}))
        assert "Known from elsewhere" in shown
        assert "<blockquote" not in shown
        context = str(parts.in_context(None, "secondary", "the abstract"))
        assert "Known from the abstract" in context
        assert "<mark" not in context


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
    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert str(copy.folder) not in response.text


@pytest.mark.parametrize("name", sorted(load_queries("pages")))
def test_page_queries_are_well_formed(name: str) -> None:
    query = load_queries("pages")[name]
    assert query.header.get("title")
    assert query.header.get("question")
    selected = query.text.split("WHERE", 1)[0]
    assert all(re.search(rf"\?{parameter}\b", selected) for parameter in query.parameters)
    assert not any(name in load_queries(folder) for folder in ("competency", "checks"))


def test_every_page_query_is_used() -> None:
    package = Path(str(ONTOLOGY)).parent
    code = "".join(path.read_text(encoding="utf-8") for folder in ("kgraph", "web") for path in (package / folder).glob("*.py"))
    unused = [name for name in load_queries("pages") if f'"{name}"' not in code]
    assert not unused


def test_a_misspelt_search_offers_what_is_spelt_nearly_so(client: FlaskClient) -> None:
    shown = client.get("/search?q=lonliness").text
    assert "Did you mean" in shown
    assert '/concept/loneliness"' in shown
    assert "Did you mean" not in client.get("/search?q=loneliness").text
