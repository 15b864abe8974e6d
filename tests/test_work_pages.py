"""The pages of harvested papers: the list with its facets and downloads, a work, a harvest, and what other pages show of them."""

import csv
import io
import re
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urldefrag, urljoin, urlsplit

import pytest
import rdflib
from flask.testing import FlaskClient

import kgraph
from harvests import put_harvest, record
from kgraph.build import build
from kgraph.names import KG, OA, SOA
from kgraph.queries import load_queries, plain_cell
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.web.lists import Pager
from kgraph.web.papers import MOST_YEARS, draw_years
from kgraph.web.work import pieces_of
from kgraph.web.works import COLUMNS
from kgraph.workindex import FILE
from kgraph.worklist import FacetValue, Wanted, WorkIndex
from kgraph.workspace import Workspace
from papers import ABSTRACT, AUTHOR, CHINESE, CROWD, FORMULA, MARKUP, REPORT, REPORTED, RETRACTED
from webpages import Page

STUDY = "/study/fan-2024"
REFERENCE_2 = "10.1093/schbul/sbj043"
PAGES = [
    "/works", "/works?q=peer+support", "/works?q=zzzz", "/works?concept=hope", "/works?author=A1", f"/work/{RETRACTED}",
    f"/work/{ABSTRACT}", f"/work/{CHINESE}", f"/work/{MARKUP}", f"/work/{CROWD}", f"/work/{REPORT}", "/harvest/real",
    "/harvest/fan-2024-references", "/concept/peer-support", "/", "/about", "/search?q=hope", f"{STUDY}/reference/2",
    f"/works?cites={RETRACTED}", "/works?more=topic",
]  # fmt: skip

SAID_BY_STUDIES = [  # queries that ask what studies say
    "reference-list", "reference-about", "assertion-citations", "concept-citations", "citation-list", "study-report", "studies",
    "study-source", "search-texts", "citations-per-reference", "claims-without-confirmed-citation", "evidence-for-claim",
    "study-design", "unsupported-citations", "concept-across-studies", "concept-codings", "study-people", "counts",
]  # fmt: skip


@pytest.fixture(scope="module")
def index(harvested: Workspace) -> WorkIndex:
    return WorkIndex(kgraph.open(str(harvested.folder)).folder / FILE)


@pytest.fixture(scope="module")
def graph(harvested: Workspace) -> Snapshot:
    return kgraph.open(str(harvested.folder))


def shown(client: FlaskClient, path: str) -> str:
    """The text of a page that is there."""
    response = client.get(path)
    assert response.status_code == 200, path
    return str(response.text)


def number(text: str) -> int:
    """How many papers a list says there are."""
    found = re.search(r"<strong>([0-9,]+) papers?</strong>", text)
    assert found is not None
    return int(found[1].replace(",", ""))


def words(text: str) -> str:
    """A page as it is read."""
    return " ".join(re.sub("<[^>]+>", " ", text).split())


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_made_and_their_links_lead_somewhere(papers_client: FlaskClient, path: str) -> None:
    page = Page(shown(papers_client, path))
    assert not page.forbidden
    assert len(page.ids) == len(set(page.ids))
    assert (page.headings[0], page.headings.count(1)) == (1, 1)
    assert max((after - before for before, after in zip(page.headings, page.headings[1:], strict=False)), default=0) <= 1
    links = {urldefrag(urljoin(path, link)) for link in page.links if not urlsplit(link).scheme}
    for target, fragment in sorted(links)[:60]:
        if "/study/" in target or "/concept/" in target:
            continue
        response = papers_client.get(target)
        assert response.status_code == 200, f"{path} links to {target}"
        assert not fragment or fragment in Page(response.text).ids, f"{path} links to #{fragment} of {target}"


def test_the_list_tells_how_many_and_pages_through_them(papers_client: FlaskClient, index: WorkIndex) -> None:
    every = index.find(Wanted()).number
    first = shown(papers_client, "/works")
    assert number(first) == every
    second = shown(papers_client, "/works?page=2")
    titles = [re.findall(r'<li class="paper">\s*<p><a href="([^"]+)', text) for text in (first, second)]
    assert len(titles[0]) == 50
    assert len(titles[0]) + len(titles[1]) == every
    assert not set(titles[0]) & set(titles[1])


def test_pages_of_a_list_keep_all_its_filters(harvested: Workspace) -> None:
    with create_app(harvested).test_request_context("/works?concept=hope&concept=stigma&q=a+b&page=1"):
        assert Pager(200).link(2) == "/works?concept=hope&concept=stigma&q=a+b&page=2"


def test_a_list_that_is_too_long_to_be_ranked_says_so(papers_client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "So many are not put in order by how well they fit"
    assert said not in shown(papers_client, "/works?q=support")
    monkeypatch.setattr("kgraph.worklist.RANKED", 1)
    assert said in shown(papers_client, "/works?q=support")
    assert said not in shown(papers_client, "/works?q=support&order=newest")


def test_every_facet_value_leads_to_as_many_works_as_it_says(papers_client: FlaskClient) -> None:
    text = shown(papers_client, "/works?q=support")
    links = re.findall(r'<li><a href="(/works[^"]+)"><span[^>]*>([^<]*)</span> <span class="count">([0-9,]+)</span>', text)
    assert len(links) > 20
    assert {re.split("[?&;]", link)[-1].partition("=")[0] for link, _, _ in links} >= {"concept", "until", "author", "harvest"}
    for link, name, count in links:
        assert number(shown(papers_client, link.replace("&amp;", "&"))) == int(count), name


def test_a_value_that_is_chosen_is_not_offered_again(papers_client: FlaskClient) -> None:
    text = shown(papers_client, "/works?concept=hope&since=2020&until=2020")
    assert number(text) == 1
    assert not re.search(r'concept=hope[^"]*concept=hope', text)
    assert "concept=loneliness" in text
    assert ">2020</span> <span" not in text


def test_filters_are_taken_away_one_by_one(papers_client: FlaskClient) -> None:
    path = f"/works?q=support&since=1800&concept=peer-support&author={AUTHOR['id'][21:]}&concept=stigma"
    text = shown(papers_client, path)
    removed = re.findall(r'<li><a href="([^"]+)" aria-label="Remove: ([^"]+)"', text)
    assert [name for _, name in removed] == [
        "words “support”",
        "from 1800",
        "names peer support",
        "names stigma",
        "author Made-up Lin",
    ]
    for link, name in removed:
        assert link.count("=") == 4, name
    assert "concept=peer-support" not in removed[2][0]
    assert "concept=stigma" in removed[2][0]
    assert 'name="concept" value="stigma"' in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("topic=nothing", "for “nothing” (topic)"),
        ("author=A1", "for “A1” (author)"),
        ("concept=no-such-concept", "for “no-such-concept” (names)"),
        ("country=XX", "for “XX” (country)"),
        ("cites=W1", "for “W1” (cites)"),
        ("cited_by=10.1000/nowhere", "for “10.1000/nowhere” (cited by)"),
        ("concept=%00", "(names)"),
        ("harvest=%22%20OR%201", "(harvest)"),
    ],
)
def test_what_no_work_has_gives_an_empty_list_that_says_so(papers_client: FlaskClient, query: str, said: str) -> None:
    text = shown(papers_client, f"/works?{query}")
    assert number(text) == 0
    assert said in text
    assert papers_client.get(f"/works.json?{query}").json == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("since=abc", 400), ("until=20201", 400), ("since=-5", 400), ("order=size", 404), ("page=99", 404), ("page=x", 404),
     ("more=colour", 404), ("since=%C2%B2", 400)],
)  # fmt: skip
def test_nonsense_in_the_address_is_refused_in_words(papers_client: FlaskClient, query: str, status: int) -> None:
    response = papers_client.get(f"/works?{query}")
    assert response.status_code == status
    assert "There" in response.text or "no year" in response.text or "pages 1 to" in response.text


@pytest.mark.parametrize(
    "query", ["q=%22", "q=AND", "q=*", "q=%E5%90%8C%E4%BC%B4", "q=%F0%9F%98%80", "q=a%00b", "since=2020&until=2000"]
)
def test_nothing_that_people_type_breaks_the_search(papers_client: FlaskClient, query: str) -> None:
    assert papers_client.get(f"/works?{query}").status_code == 200
    assert papers_client.get(f"/works.csv?{query}").status_code == 200


def test_chinese_is_found_and_marked_as_such(papers_client: FlaskClient) -> None:
    text = shown(papers_client, f"/works?q={quote('同伴支持')}")
    assert f'<a href="/work/{CHINESE}" lang="zh">社区同伴支持研究</a>' in text
    page = shown(papers_client, f"/work/{CHINESE}")
    assert re.search(r'<p lang="zh">.*<mark>同伴支持</mark>', page)
    assert '<h1 lang="zh">' in page


def test_authors_by_name_and_several_filters(papers_client: FlaskClient) -> None:
    assert number(shown(papers_client, f"/works?author={quote(AUTHOR['display_name'])}")) == 1
    assert number(shown(papers_client, "/works?country=cn&type=article&language=zh")) == 1
    assert number(shown(papers_client, "/works?retracted=yes")) == 2


def test_downloads_hold_the_whole_list(papers_client: FlaskClient, index: WorkIndex) -> None:
    every = index.find(Wanted(), "cited", limit=1000)
    answer = papers_client.get("/works.csv")
    assert answer.headers["Content-Disposition"] == "attachment; filename=works.csv"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert tuple(rows[0]) == COLUMNS
    assert [row[0] for row in rows[1:]] == [work.openalex for work in every.works]
    records: Any = papers_client.get("/works.json", headers={"Accept": "application/json"}).json
    assert [record["openalex"] for record in records] == [work.openalex for work in every.works]
    some: Any = papers_client.get("/works.json?concept=peer-support&order=oldest&page=2").json
    assert some[0]["openalex"] == CROWD
    assert len(some) == index.find(Wanted(values=(("concept", "peer-support"),))).number


def test_downloads_come_in_pieces(papers_client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = papers_client.get("/works.csv").text, papers_client.get("/works.json").text
    monkeypatch.setattr("kgraph.web.works.PIECE", 7)
    assert (papers_client.get("/works.csv").text, papers_client.get("/works.json").text) == whole


def test_no_cell_is_a_formula(papers_client: FlaskClient) -> None:
    assert [plain_cell(value) for value in ("=1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1", "a=1", "", 3, None)] == [
        "'=1", "'+1", "'-1", "'@a", "'\t=1", "'\r=1", "'＝1", "a=1", "", 3, None,
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(papers_client.get("/works.csv?q=hyperlink").text)))
    assert rows[1][COLUMNS.index("title")] == "'=HYPERLINK(1)"
    assert rows[1][0] == FORMULA


def test_a_work_is_named_by_its_id_and_by_its_doi(papers_client: FlaskClient) -> None:
    for name in (REFERENCE_2, REFERENCE_2.upper(), f"https://doi.org/{REFERENCE_2}", RETRACTED.lower()):
        answer = papers_client.get(f"/work/{name}")
        assert (answer.status_code, answer.location) == (302, f"/work/{RETRACTED}")
    assert f'<link rel="canonical" href="https://doi.org/{REFERENCE_2}">' in shown(papers_client, f"/work/{RETRACTED}")
    for name in ("W1", "10.1000/nowhere", "x", "%00"):
        answer = papers_client.get(f"/work/{name}")
        assert answer.status_code == 404
        assert "DOI or by its OpenAlex id" in answer.text


def test_mentions_are_marked_at_their_words_and_negated_ones_say_so(papers_client: FlaskClient) -> None:
    text = shown(papers_client, f"/work/{MARKUP}")
    assert '<a class="mention" href="/concept/peer-support"><mark>Peer support</mark></a>' in text
    negated = '<a class="mention negated" href="/concept/loneliness"><mark>loneliness</mark><span class="negation"> (negated)'
    assert negated in text
    assert "A program found them, and nobody has judged them" in words(text)
    assert "The words are a label" in text
    assert re.search(r'href="/concept/loneliness">loneliness</a>.*?<strong class="denied">negated</strong>', text, re.DOTALL)


def test_marks_stand_at_code_points_and_only_in_the_text_they_are_of() -> None:
    from hashlib import sha256

    text = "😀 同伴 peer support"
    row = {"start": 2, "end": 4, "sha256": sha256(text.encode()).hexdigest()}
    pieces = pieces_of(text, [row | {"start": 5, "end": 9}, row, row | {"start": 3, "end": 7}])
    assert [(piece.words, piece.mention is not None) for piece in pieces] == [
        ("😀 ", False), ("同伴", True), (" ", False), ("peer", True), (" support", False),
    ]  # fmt: skip
    assert [piece.words for piece in pieces_of(text, [row | {"sha256": "other"}, row | {"start": 3, "end": 99}])] == [text]


def test_markup_in_records_is_shown_and_never_interpreted(papers_client: FlaskClient) -> None:
    for path in (f"/work/{MARKUP}", "/works?q=hope", "/search?q=hope", "/works"):
        text = shown(papers_client, path)
        assert "<script>" not in text
        assert "<b>" not in text
        assert "<jats" not in text
    assert "&lt;jats:p&gt;" in shown(papers_client, f"/work/{MARKUP}")


def test_what_rests_on_a_work(papers_client: FlaskClient, graph: Snapshot) -> None:
    text = shown(papers_client, f"/work/{RETRACTED}")
    citing = {row["assertion"] for row in graph.ask("reference-uses", reference="study/fan-2024/reference/2")}
    assert citing
    for iri in citing:
        assert f'href="/{iri.removeprefix(graph.base)}#in-context"' in text
    assert f'<a href="{STUDY}/reference/2">reference 2</a>' in text
    assert "support" in text
    assert "This paper has been retracted" in text
    assert "No study of this graph" in shown(papers_client, f"/work/{CHINESE}")


def test_citations_are_counted_in_the_record_and_in_the_graph(papers_client: FlaskClient) -> None:
    text = words(shown(papers_client, f"/work/{CROWD}"))
    assert "2 references in the record, 1 of them in this graph" in text
    cited = shown(papers_client, f"/work/{RETRACTED}")
    assert f'<a href="/work/{CROWD}">' in cited
    assert number(shown(papers_client, f"/works?cites={RETRACTED}")) == 3
    assert number(shown(papers_client, f"/works?cited_by={quote(REFERENCE_2)}")) == 0
    assert "All 40 authors" in text


def test_a_work_says_where_it_came_from(papers_client: FlaskClient) -> None:
    text = shown(papers_client, f"/work/{ABSTRACT}")
    assert '<a href="/harvest/real">real</a>' in text
    assert "what fan-2024 cites, 2026-11-01" in words(text)


@pytest.mark.parametrize(
    ("suffix", "media", "form"), [("ttl", "text/turtle", "turtle"), ("jsonld", "application/ld+json", "json-ld")]
)
def test_data_of_a_work_holds_its_parts(papers_client: FlaskClient, suffix: str, media: str, form: str) -> None:
    by_suffix = papers_client.get(f"/work/{ABSTRACT}.{suffix}")
    assert (by_suffix.status_code, by_suffix.mimetype) == (200, media)
    graph = rdflib.Graph().parse(data=by_suffix.data, format=form)
    work = rdflib.URIRef("https://doi.org/10.1186/s12888-018-1763-2")
    assert (work, None, None) in graph
    mentions = set(graph.subjects(KG.mentionOf, work))
    anchors = [anchor for mention in mentions for anchor in graph.objects(mention, OA.hasTarget)]
    assert len(anchors) == len(mentions) > 1
    assert all((anchor, OA.hasSelector, None) in graph for anchor in anchors)
    assert all((author, SOA.position, None) in graph for author in graph.objects(work, SOA.hasAuthorship))
    by_accept = papers_client.get(f"/work/{ABSTRACT}", headers={"Accept": media})
    assert by_accept.data == by_suffix.data
    assert by_accept.headers["Content-Location"] == f"/work/{ABSTRACT}.{suffix}"
    assert papers_client.get(f"/work/W1.{suffix}").status_code == 404
    assert papers_client.get("/works", headers={"Accept": media}).status_code == 406


def test_data_of_a_concept_leaves_out_which_papers_name_it(papers_client: FlaskClient, client: FlaskClient) -> None:
    with_papers, without = (one.get("/concept/peer-support.ttl").data for one in (papers_client, client))
    assert with_papers == without
    assert len(papers_client.get("/harvest/real.ttl").data) < 2000


def test_a_harvest_says_what_was_asked_and_what_was_not_found(papers_client: FlaskClient) -> None:
    text = shown(papers_client, "/harvest/fan-2024-references")
    assert "what fan-2024 cites" in text
    assert '<a href="https://doi.org/10.1000/nowhere" rel="external">' in text
    assert "A book without a DOI" in text
    assert number(shown(papers_client, "/works?harvest=fan-2024-references")) == 8
    assert "<strong>8</strong> papers" in text
    assert papers_client.get("/harvest/none").status_code == 404


def test_home_and_about_tell_of_the_harvests(papers_client: FlaskClient, index: WorkIndex) -> None:
    for path in ("/", "/about"):
        text = shown(papers_client, path)
        assert '<a href="/harvest/real">real</a>' in text
        assert '<a href="/harvest/fan-2024-references#missing">2</a>' in text
        assert f"{index.find(Wanted()).number} papers" in words(text)


def test_a_reference_shows_what_the_record_adds(papers_client: FlaskClient) -> None:
    text = shown(papers_client, f"{STUDY}/reference/2")
    assert "Peer support among adults with serious mental illness: A report from the field" in text
    assert "What the record adds" in text
    assert f'href="/work/{RETRACTED}"' in text
    assert f'<a href="/work/{RETRACTED}#abstract">yes</a>' in text
    assert "Made-up Author 2" in text
    assert "What the record adds" not in shown(papers_client, f"{STUDY}/reference/5")


@pytest.mark.parametrize(
    "path",
    [f"{STUDY}/reference/2", f"{STUDY}/references", f"{STUDY}/assertion/a013", "/citations", "/concept/peer-support#citations",
     "/study/strand2020-reconnect", "/study", "/search?q=schbul"],
)  # fmt: skip
def test_retracted_works_are_marked_wherever_they_carry_evidence(
    papers_client: FlaskClient, client: FlaskClient, path: str
) -> None:
    if "search" in path:
        path = "/search?q=davidson"
    leading = REPORT if "/study/strand" in path or path == "/study" else RETRACTED
    mark = f'<strong class="retracted"><a href="/work/{leading}">retracted</a></strong>'
    assert mark in shown(papers_client, path)
    assert "retracted" not in shown(client, path)


def test_records_change_nothing_of_what_studies_say(snapshot: Snapshot, graph: Snapshot) -> None:
    """A work that a study cites and OpenAlex knows has two titles: the study's wording is used, and no row doubles."""
    parameters = {
        "assertion": "study/fan-2024/assertion/a013",
        "reference": "study/fan-2024/reference/2",
        "study": "study/strand2020-reconnect",
        "inStudy": "",
        "concept": "peer-support",
        "subject": "peer-support",
        "object": "loneliness",
    }
    for name in SAID_BY_STUDIES:
        query = load_queries("pages").get(name) or load_queries("competency")[name]
        given = {one: parameters[one] for one in query.parameters}
        assert graph.ask(name, **given) == snapshot.ask(name, **given), name
    own = (f"{graph.base}harvest/", f"{graph.base}tagging/")
    labels = [row for row in graph.ask("labels") if not row["thing"].startswith(own)]
    assert sorted(map(str, labels)) == sorted(map(str, snapshot.ask("labels")))
    [row] = graph.ask("study-source", study="study/fan-2024")
    assert row["creator"]


def test_a_concept_page_counts_its_papers(papers_client: FlaskClient, index: WorkIndex) -> None:
    text = shown(papers_client, "/concept/peer-support")
    section = text[text.index('id="papers"') : text.index("</section>", text.index('id="papers"'))]
    every = index.find(Wanted(values=(("concept", "peer-support"),))).number
    assert f'<a href="/works?concept=peer-support">{every} harvested papers</a>' in section
    assert "<svg viewBox" in section
    links = re.findall(
        r'<a href="(/works[?]concept=peer-support&amp;[^"]+)"[^>]*>([^<]+)</a>(?: <span class="count">([0-9]+))?', section
    )
    assert {re.split("[;=]", link)[2] for link, _, _ in links} >= {"since", "named", "author", "source"}
    for link, name, count in links:
        assert number(shown(papers_client, link.replace("&amp;", "&"))) == int(count or name), link
    years = re.findall(r'<th scope="row">([0-9]+)</th><td class="number"><a [^>]+>([0-9]+)</a>', section)
    assert {year: int(works) for year, works in years} == {
        one.key: one.works for one in index.counted("peer-support", "year", 100)
    }
    assert "No harvested paper names it" in shown(papers_client, "/concept/chaxugeju")


def test_a_chart_draws_each_year_in_its_place() -> None:
    values = [FacetValue("year", str(year), "", works) for year, works in ((1890, 3), (2000, 1), (2003, 4))]
    chart = draw_years(values)
    assert ([bar.year for bar in chart.bars], chart.earlier, chart.top) == ([2000, 2001, 2002, 2003], 3, 4)
    by_year = {bar.year: bar for bar in chart.bars}
    assert by_year[2000].height * 4 == by_year[2003].height
    assert by_year[2001].height == 0
    assert by_year[2003].y + by_year[2003].height == by_year[2000].y + by_year[2000].height == chart.base
    assert draw_years([]).bars == []


def test_a_chart_of_many_years_fits_and_its_years_do_not_overlap() -> None:
    chart = draw_years([FacetValue("year", str(year), "", 1) for year in range(1900, 2021)])
    assert (len(chart.bars), chart.bars[0].year, chart.earlier) == (MOST_YEARS, 1961, 61)
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.width
    written = [bar.label_x for bar in chart.bars if bar.named]
    assert min(after - before for before, after in pairwise(written)) > 30
    assert written[-1] <= chart.width - 17


def test_search_shows_the_first_papers(papers_client: FlaskClient, index: WorkIndex) -> None:
    text = shown(papers_client, "/search?q=peer+support")
    assert '<a href="/works?q=peer+support"' in text
    assert text.count('<li class="paper">') == min(5, index.find(Wanted("peer support")).number)
    assert '<li class="paper">' not in shown(papers_client, "/search?q=peer+support&kind=concept")


def test_links_to_works_lead_to_their_pages_here_and_others_outside(papers_client: FlaskClient) -> None:
    assert f'href="/work/{REPORT}"' in shown(papers_client, "/study/strand2020-reconnect")
    assert 'href="https://doi.org/10.1371/journal.pone.0110171"' in shown(papers_client, "/study/naslund2014-youtube")
    assert REPORTED in shown(papers_client, "/study/strand2020-reconnect")


@pytest.mark.parametrize("path", ["/works", "/works?concept=hope", "/", "/about", "/concept/hope"])
def test_without_a_harvest_pages_say_how_to_make_one(client: FlaskClient, path: str) -> None:
    text = shown(client, path)
    assert "No works have been harvested yet" in text
    assert "kgraph harvest references fan-2024" in text


@pytest.mark.parametrize("path", ["/work/W1", "/works.csv", "/works.json", "/harvest/real"])
def test_without_a_harvest_what_is_asked_for_is_not_found(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "No works have been harvested here" in answer.text
    assert "kgraph harvest references fan-2024" in answer.text


@pytest.mark.parametrize("asked", ["year=2020", "cited-by=W1", "foo=bar"])
def test_what_a_list_does_not_know_is_refused(papers_client: FlaskClient, asked: str) -> None:
    """Rather than passed over: a download would be taken for a part, and be the whole."""
    for path in ("/works", "/works.csv", "/works.json"):
        answer = papers_client.get(f"{path}?{asked}")
        assert answer.status_code == 400
        assert asked.partition("=")[0] in answer.text


def test_a_search_that_finds_papers_alone_says_so(papers_client: FlaskClient) -> None:
    text = shown(papers_client, "/search?q=altmetrics")
    assert "Only papers were found" in text
    assert "Nothing found" not in text


def test_odd_dois_lead_where_they_should(tiny: Workspace) -> None:
    put_harvest(tiny, "odd", [record(1, doi="https://doi.org/10.1000/a#b?c=d%2fe"), record(2)], missing=[{"doi": "10.1000/x#y"}])
    build(tiny)
    client = create_app(tiny).test_client()
    assert 'href="https://doi.org/10.1000/a%23b%3Fc%3Dd%252fe"' in shown(client, "/work/W1")
    assert 'href="https://doi.org/10.1000/x%23y"' in shown(client, "/harvest/odd")


def test_of_very_many_authors_the_first_are_shown(tiny: Workspace) -> None:
    crowd = [
        {"author": {"id": f"https://openalex.org/A{number}", "display_name": f"Author {number}"}} for number in range(1, 401)
    ]
    put_harvest(tiny, "crowd", [record(1, authorships=crowd)])
    build(tiny)
    text = shown(create_app(tiny).test_client(), "/work/W1")
    assert "The first 100 authors" in text
    assert "Author 100<" in text
    assert "Author 101<" not in text
