"""The web pages: what each kind holds, every link, both languages, counts, and what is never shown."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest
from flask.testing import FlaskClient

from kgraph.anchors import Span, plain
from kgraph.names import ONTOLOGY
from kgraph.queries import load_queries
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.web.highlight import LONGEST, excerpts
from kgraph.workspace import Workspace
from webpages import crawl

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


@pytest.mark.parametrize("path", PAGES)
def test_page_has_its_content(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    missing = [part for part in PAGES[path] if not any(choice in response.text for choice in part.split("|"))]
    assert not missing


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
