"""The stand-in OpenAlex, asked over HTTP: it finds, pages, sorts and refuses as the API was recorded."""

import gzip
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import yaml

import kgraph
from openalex_asking import Got, ask, works
from openalex_standin import Address, made_up_works, real_works, stand_in
from openalex_standin_answers import DATA, Work, recorded, text_of

KEY_PAPER = "W2741809807"  # cited and with references, in the connected set
DOI = "10.7717/peerj.4375"  # its DOI
REAL = real_works()
META = ["count", "db_response_time_ms", "page", "per_page", "next_cursor", "groups_count", "cost_usd"]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """A stand-in with the recorded works, for questions that change nothing; asked without pacing."""
    with stand_in(per_second=100_000) as running:
        yield running


# ---- the data


def test_the_works_are_the_recorded_ones() -> None:
    lines = gzip.decompress((DATA / "works.jsonl.gz").read_bytes())
    assert sha256(lines).hexdigest() == "7ee8a3594301f59c416a2adf68d01db45b1fdc851cfd765540d73cdb915dd40b"
    assert lines.count(b"\n") == len(REAL) == 200


def test_made_up_works_say_so_and_join_the_example_study() -> None:
    study = Path(kgraph.__file__).parent / "example" / "studies" / "fan-2024.yaml"
    references = yaml.safe_load(study.read_text(encoding="utf-8"))["references"]
    dois = {reference["work"].get("doi"): reference["number"] for reference in references}
    for work in made_up_works():
        number = dois[work["doi"].removeprefix("https://doi.org/")]
        assert work["title"] == f"[Made up for tests] A stand-in record for reference {number} of the example study"
        assert work["id"] not in {real["id"] for real in REAL}
    assert len(made_up_works()) == 3


def test_the_readme_names_every_data_file() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in DATA.iterdir() if path.name not in readme and path.name != "README.md"] == []


# ---- what an answer looks like


def test_a_list_has_the_recorded_shape(address: Address) -> None:
    got = works(address, filter="openalex:W3046863325|W3045921891", per_page=200, cursor="*")
    assert list(got.json["meta"]) == META
    assert list(got.json) == ["meta", "results", "group_by"]
    assert got.json["meta"]["cost_usd"] == 0.0001
    expected = set(recorded("headers")["list_cursor_200_results"]["headers"]) - {"content-encoding"}
    assert expected <= set(got.headers)
    assert got.ids == ["W3046863325", "W3045921891"], "in the order that was recorded"


def test_records_are_served_as_recorded_without_the_relevance_of_another_search(address: Address) -> None:
    served = {work["id"]: work for work in works(address, per_page=200).json["results"]}
    assert [served[work["id"]] for work in REAL] == [
        {name: value for name, value in work.items() if name != "relevance_score"} for work in REAL
    ]
    assert ask(address, f"/works/{KEY_PAPER}").json == served[f"https://openalex.org/{KEY_PAPER}"]


def test_requests_are_recorded() -> None:
    with stand_in() as address:
        ask(address, "/works?filter=doi%3A10.1%2Fx&per-page=2", accept="application/json")
        ask(address, "/works/W1")
        first, second = address.requests
    assert (first.method, first.path, first.status, first.credits) == ("GET", "/works", 200, 1)
    assert first.query == {"filter": "doi:10.1/x", "per-page": "2"}
    assert first.target == "/works?filter=doi%3A10.1%2Fx&per-page=2"
    assert first.headers["authorization"] == "Bearer paid-key"
    assert first.headers["accept"] == "application/json"
    assert (second.path, second.status, second.credits) == ("/works/W1", 404, 0)
    assert first.at < second.at
    assert address.credits == 1


def test_it_ends_with_its_block_for_kept_connections_too() -> None:
    session = requests.Session()
    with stand_in() as address:
        assert session.get(f"{address}/works?per-page=1").headers["content-encoding"] == "gzip"
        assert session.get(f"{address}/works?per-page=1").ok
    with pytest.raises(requests.ConnectionError):
        session.get(f"{address}/works?per-page=1", timeout=2)


def test_two_stand_ins_do_not_meddle() -> None:
    with stand_in(made_up_works()) as one, stand_in() as other:
        assert works(one).json["meta"]["count"] == 3
        assert works(other).json["meta"]["count"] == 200
        assert len(one.requests) == len(other.requests) == 1


def test_other_methods_are_refused(address: Address) -> None:
    assert ask(address, "/works", method="POST").status == 405
    head = ask(address, "/works?per-page=1", method="HEAD")
    assert (head.status, head.body) == (200, b"")


# ---- paging


def test_pages_cover_everything_once(address: Address) -> None:
    pages = [works(address, page=page, per_page=70, select="id") for page in (1, 2, 3, 4)]
    assert [len(page.ids) for page in pages] == [70, 70, 60, 0]
    assert len({each for page in pages for each in page.ids}) == 200
    assert pages[1].json["meta"] | {"page": 2, "per_page": 70, "count": 200} == pages[1].json["meta"]
    assert "next_cursor" not in pages[0].json["meta"]
    assert len(works(address).ids) == 25


@pytest.mark.parametrize(
    ("older", "per_page", "sizes"), [(False, 70, [70, 70, 60]), (False, 100, [100, 100, 0]), (True, 70, [70, 70, 60, 0])]
)
@pytest.mark.parametrize("search", [{}, {"search": "biodiversity"}, {"sort": "publication_date:desc"}])
def test_cursors_end_in_the_newer_and_in_the_older_way(
    older: bool, per_page: int, sizes: list[int], search: dict[str, str]
) -> None:
    if "search" in search:
        search["filter"] = "from_publication_date:1900-01-01"
    with stand_in(older_paging=older, per_second=1000) as address:
        found: list[Got] = []
        cursor = "*"
        while cursor:
            found.append(works(address, per_page=per_page, cursor=cursor, select="id", **search))
            cursor = found[-1].json["meta"]["next_cursor"]
    everything = [each for got in found for each in got.ids]
    assert len(everything) == len(set(everything)) == found[0].json["meta"]["count"]
    if not search.get("search"):
        assert [len(got.ids) for got in found] == sizes
    if older:
        last = recorded("list_cursor_last_page")
        assert found[-1].json["results"] == last["results"] == []
        assert found[-1].json["meta"]["next_cursor"] is last["meta"]["next_cursor"] is None


# ---- filters


def has(field: str, value: object) -> Callable[[Work], bool]:
    return lambda work: bool(work.get(field) == value)


def refers(target: str) -> Callable[[Work], bool]:
    return lambda work: f"https://openalex.org/{target}" in work["referenced_works"]


def written_by(author: str) -> Callable[[Work], bool]:
    return lambda work: f"https://openalex.org/{author}" in [each["author"]["id"] for each in work["authorships"]]


def by_id(identifier: str) -> Work:
    return next(work for work in REAL if work["id"].endswith(f"/{identifier}"))


FILTERS: dict[str, Callable[[Work], bool]] = {
    f"openalex:{KEY_PAPER}": has("id", f"https://openalex.org/{KEY_PAPER}"),
    f"openalex_id:https://openalex.org/{KEY_PAPER}": has("id", f"https://openalex.org/{KEY_PAPER}"),
    "ids.openalex:w1572136682|W1|W3045921891": lambda work: work["id"][21:] in ("W1572136682", "W3045921891"),
    f"doi:{DOI}": has("doi", f"https://doi.org/{DOI}"),
    f"doi:https://doi.org/{DOI.upper()}": has("doi", f"https://doi.org/{DOI}"),
    "doi:null": has("doi", None),
    "doi:!null": lambda work: bool(work["doi"]),
    "ids.pmid:29456894": has("doi", f"https://doi.org/{DOI}"),
    f"cites:{KEY_PAPER}": refers(KEY_PAPER),
    f"referenced_works:{KEY_PAPER}": refers(KEY_PAPER),
    "cites:W2938946739|W2741809807": lambda work: refers("W2938946739")(work) or refers("W2741809807")(work),
    f"cited_by:{KEY_PAPER}": lambda work: work["id"] in by_id(KEY_PAPER)["referenced_works"],
    "cited_by:W1": lambda work: False,
    "publication_year:2018": has("publication_year", 2018),
    "publication-year:2018": has("publication_year", 2018),
    "publication_year:2018|2003": lambda work: work["publication_year"] in (2018, 2003),
    "publication_year:!2018|2003": lambda work: work["publication_year"] not in (2018, 2003),
    "publication_year:2008-2010": lambda work: 2008 <= work["publication_year"] <= 2010,
    "publication_year:-1990": lambda work: work["publication_year"] <= 1990,
    "publication_year:2020-": lambda work: work["publication_year"] >= 2020,
    "publication_year:>2019": lambda work: work["publication_year"] > 2019,
    "publication_year:<1990": lambda work: work["publication_year"] < 1990,
    "from_publication_date:2010-01-01,to_publication_date:2018-02-13": lambda work: (
        "2010-01-01" <= work["publication_date"] <= "2018-02-13"
    ),
    "type:book": has("type", "book"),
    "type:!article|book": lambda work: work["type"] not in ("article", "book"),
    "language:de": has("language", "de"),
    "language:null": has("language", None),
    "is_retracted:true": lambda work: False,
    "is_retracted:false": lambda work: True,
    "open_access.is_oa:true": lambda work: bool((work.get("open_access") or {}).get("is_oa")),
    "has_abstract:false": lambda work: not work.get("abstract_inverted_index"),
    "cited_by_count:>1000": lambda work: work["cited_by_count"] > 1000,
    "authorships.author.id:A5089069811": written_by("A5089069811"),
    "authorships.author.id:A5089069811 A5031600582": lambda work: (
        written_by("A5089069811")(work) and written_by("A5031600582")(work)
    ),
    "title.search:altmetrics": lambda work: "altmetric" in str(work["title"]).lower(),
    'display_name.search:"citations and altmetrics"': has("id", "https://openalex.org/W3046863325"),
    "title_and_abstract.search:biodiversity,publication_year:2008": lambda work: (
        work["publication_year"] == 2008 and bool(re.search("biodiversit", all_text(work)))
    ),
    "default.search:finance AND NOT biodiversity": lambda work: (
        bool(re.search(r"\bfinanc(e|es|ed|ing|y)?\b", all_text(work))) and "biodiversit" not in all_text(work)
    ),
}


def all_text(work: Work) -> str:
    return f"{text_of(work, 'title')} {text_of(work, 'abstract')}".lower()


@pytest.mark.parametrize("text", FILTERS)
def test_filters_find_what_a_plain_test_finds(address: Address, text: str) -> None:
    got = works(address, filter=text, per_page=200, select="id")
    assert sorted(got.ids) == sorted(work["id"][21:] for work in REAL if FILTERS[text](work))
    assert got.json["meta"]["count"] == len(got.ids)


def test_a_hundred_values_and_no_more(address: Address) -> None:
    ids = [work["id"][21:] for work in REAL]
    assert sorted(works(address, filter=f"openalex:{'|'.join(ids[:100])}", per_page=100).ids) == sorted(ids[:100])
    got = works(address, filter=f"openalex:{'|'.join(ids[:101])}")
    assert got.status == 400
    assert got.json["message"].startswith("Maximum number of values exceeded for openalex. Decrease values to 100 or below")


def test_a_comma_in_a_value_is_quoted() -> None:
    title = "Work, hope, and a comma"
    with stand_in([made_up_works()[0] | {"title": title}]) as address:
        assert len(works(address, filter=f'title.search:"{title}"').ids) == 1
        assert len(works(address, filter='title.search:"work, despair",language:en').ids) == 0
        got = works(address, filter=f"title.search:{title}")
    assert (got.status, got.headers["x-openalex-edge-reject"]) == (400, "f1:raw_comma_filter")


@pytest.mark.parametrize(
    ("search", "hits"),
    [
        ("altmetrics", True),
        ("altmetric", True),
        ('"open access types"', True),
        ('"access open types"', False),
        ("altmetrics AND zebra", False),
        ("altmetrics zebra", False),
        ("altmetrics OR zebra", True),
        ("(zebra OR altmetrics) AND citations", True),
        ("altmetrics NOT citations", False),
    ],
)
def test_searches_know_phrases_and_operators(address: Address, search: str, hits: bool) -> None:
    got = works(address, search=search, per_page=200)
    assert ("W3046863325" in got.ids) == hits
    scores = [work["relevance_score"] for work in got.json["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(list(work)[4] == "relevance_score" for work in got.json["results"])
    assert got.json["meta"]["cost_usd"] == 0.001


def test_exact_searches_take_wildcards_and_no_stems(address: Address) -> None:
    def found(**search: str) -> bool:
        return "W3046863325" in ask(address, "/works?" + "&".join(f"{k}={quote(v)}" for k, v in search.items())).ids

    assert found(**{"search.title.exact": "altmetr*"})
    assert not found(**{"search.title.exact": "altmetric"})
    assert found(**{"search.title": "altmetric"})
    assert found(**{"search.exact": "altmetrics"})
    assert found(filter="title.search.exact:altmetr*")


# ---- sorting, selecting, sampling, grouping


def test_sorting(address: Address) -> None:
    fields = "publication_year,publication_date,cited_by_count,fwci"
    got = works(address, sort="publication_year:desc,cited_by_count", per_page=200, select=fields)
    keys = [(-work["publication_year"], work["cited_by_count"]) for work in got.json["results"]]
    assert keys == sorted(keys)
    years = [
        work["publication_date"] for work in works(address, sort="publication_date", per_page=200, select=fields).json["results"]
    ]
    assert years == sorted(years)
    by_fwci = [work.get("fwci") for work in works(address, sort="fwci:desc", per_page=200, select=fields).json["results"]]
    assert None in by_fwci
    assert by_fwci.index(None) == sum(value is not None for value in by_fwci)


def test_selecting_root_fields(address: Address) -> None:
    got = works(address, select="doi, ids", per_page=1)
    assert list(got.json["results"][0]) == ["doi", "ids"]
    assert list(ask(address, f"/works/{KEY_PAPER}?select=title,id").json) == ["id", "title"]


def test_sampling_with_a_seed_is_repeatable(address: Address) -> None:
    pages = [works(address, sample=30, seed="kg", per_page=20, page=page, select="id") for page in (1, 2)]
    assert [len(page.ids) for page in pages] == [20, 10]
    assert pages[0].json["meta"]["count"] == 30
    assert len({*pages[0].ids, *pages[1].ids}) == 30
    assert works(address, sample=30, seed="kg", per_page=20).ids == pages[0].ids
    assert works(address, sample=30, seed="other", per_page=20).ids != pages[0].ids


def test_groups_have_the_recorded_form(address: Address) -> None:
    was = recorded("group_by")
    got = works(address, group_by="type", per_page=200, cursor="*").json
    assert (list(got), list(got["meta"])) == (list(was), list(was["meta"]))
    assert got["group_by"][0] == {"key": "https://openalex.org/types/article", "key_display_name": "article", "count": 138}
    assert [group["key"] for group in got["group_by"]] == sorted(group["key"] for group in got["group_by"])
    assert works(address, group_by="type", cursor=got["meta"]["next_cursor"]).json["group_by"] == []
    by_size = works(address, group_by="publication_year", filter="is_retracted:false").json
    assert by_size["group_by"][0] == {"key": "2008", "key_display_name": "2008", "count": 19}
    assert by_size["meta"]["count"] == sum(group["count"] for group in by_size["group_by"]) == 200
    assert by_size["meta"]["cost_usd"] == 0.0001
    assert works(address, group_by="open_access.is_oa").json["group_by"][0]["key"] in ("true", "false")
    assert works(address, group_by="primary_topic.id").json["group_by"][0]["key"].startswith("https://openalex.org/T")


def test_lists_cut_authorships_at_a_hundred() -> None:
    work = made_up_works()[0]
    crowd = work | {"authorships": work["authorships"] * 75}
    with stand_in([crowd]) as address:
        shown = works(address).json["results"][0]
        alone = ask(address, f"/works/{work['id'][21:]}").json
    assert (len(shown["authorships"]), shown["is_authors_truncated"]) == (100, True)
    assert (len(alone["authorships"]), "is_authors_truncated" in alone) == (150, False)


# ---- single works


@pytest.mark.parametrize(
    ("target", "status", "credits"),
    [
        (f"/works/{KEY_PAPER}", 200, 0),
        (f"/works/doi:{DOI}", 200, 0),
        (f"/works/DOI:{DOI.upper()}", 200, 0),
        ("/works/pmid:29456894", 200, 0),
        ("/works/pmcid:4234579", 200, 0),
        (f"/works/https://doi.org/{DOI}", 200, 1),
        (f"/works/https://doi.org/{quote(DOI, safe='')}", 200, 1),
        (f"/works/doi%3A{quote(DOI, safe='')}", 200, 1),
        ("/works/https://pubmed.ncbi.nlm.nih.gov/29456894", 200, 1),
        (f"/works/{KEY_PAPER.lower()}?select=id", 302, 0),
        (f"/works/mag:{KEY_PAPER[1:]}", 302, 0),
        (f"/works/https://openalex.org/{KEY_PAPER}", 302, 1),
        ("/works/W1", 404, 0),
        ("/works/doi:10.1000/nothing", 404, 0),
        ("/works/https://doi.org/10.1000/nothing", 404, 0),
        ("/authors/A5089069811", 404, 0),
    ],
)
def test_single_works_by_every_form_and_their_prices(target: str, status: int, credits: int) -> None:
    with stand_in() as address:
        got = ask(address, target)
        assert (got.status, address.credits) == (status, credits)
        assert got.headers["x-ratelimit-credits-used"] == str(credits)
    if status == 302:
        assert got.headers["location"] == f"/works/{KEY_PAPER}" + ("?select=id" if "select" in target else "")
    if status == 404:
        assert got.body == (DATA / "error_404.html").read_bytes()
        assert got.headers["content-type"] == recorded("headers")["error_404"]["headers"]["content-type"]
    if status == 200:
        assert got.json["id"].startswith("https://openalex.org/W")


def test_autocompletion_is_free(address: Address) -> None:
    got = ask(address, "/autocomplete/works?q=trends%20of%20publ%20altm")
    assert [each["short_id"] for each in got.json["results"]] == ["works/W3046863325"]
    assert got.json["results"][0]["external_id"] == "https://doi.org/10.1145/3383583.3398584"
    assert got.headers["x-ratelimit-credits-used"] == "0"


# ---- errors


def test_the_recorded_errors_come_as_recorded(address: Address) -> None:
    wrong_filter, wrong_select = works(address, filter="DOESNTEXIST:1"), works(address, select="DOESNTEXIST")
    assert (wrong_filter.status, wrong_filter.json) == (400, recorded("error_400_invalid_filter"))
    assert (wrong_select.status, wrong_select.json) == (400, recorded("error_400_invalid_select"))
    assert ask(address, f"/works/{KEY_PAPER}?select=DOESNTEXIST").json == recorded("error_400_invalid_select")
    assert wrong_filter.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour=red", "colour is not a valid parameter. Valid parameters are: apc_sum,"),
        ("limit=5", "The 'limit' parameter is not valid."),
        ("filter=type:book&filter=language:en", "Only one filter parameter is allowed."),
        ("filter=type:book|language:en", "It looks like you're trying to do an OR query between filters"),
        ("filter=type:book|!article", "The ! operator can only be used at the beginning of an OR query"),
        ("filter=type", "A filter value contains an unescaped comma."),
        ("filter=openalex:peer", "'peer' is not a valid OpenAlex ID."),
        ("filter=publication_year:soon", "Value for param publication_year must be a number."),
        ("filter=from_publication_date:2018", "Value for param from_publication_date must be in the format YYYY-MM-DD"),
        ("filter=is_retracted:maybe", "Value for is_retracted must be true or false"),
        ("filter=title.search:peer*", "Wildcards (* or ?) require exact"),
        ("search=peer*", "Wildcards (* or ?) require exact"),
        ("search=peer|mutual", "The search parameter does not support the | operator."),
        ("search=!peer", "The search parameter does not support the ! operator."),
        ("sort=colour", "colour is not a valid field."),
        ("sort=relevance_score:desc", "Must include a search query"),
        ("select=authorships.author", "authorships.author is not a valid select field."),
        ("select=id&group_by=type", "select does not work with group_by."),
        ("sample=some", "sample must be an integer."),
        ("sample=10001", "Sample size must be less than or equal to 10,000."),
        ("sample=5&sort=fwci", "sample does not work with sort."),
        ("sample=5&page=2&per_page=2", "A seed value is required"),
        ("seed=5", "You must include the sample parameter"),
        ("group_by=publication_date", "Cannot group by date, number, or search fields."),
        ("group_by=referenced_works", "Group by referenced_works is not supported at this time."),
        ("group_by=is_retracted&cursor=*", "Cannot use cursor pagination when grouping fields that return true or false."),
        ("group_by=colour", "colour is not a valid field."),
        ("page=x", "Param page must be a number."),
        ("page=0", "Page parameter must be greater than 0."),
        ("per-page=201", "per-page parameter must be between 1 and 200"),
        ("page=101&per-page=100", "Maximum results size of 10,000 records is exceeded."),
        ("page=2&cursor=*", "Cannot use page parameter with cursor."),
        ("cursor=null", "Cursor is null. Likely reached end of results."),
        ("cursor=nonsense", "Invalid cursor value"),
        ("cursor=IlsxLCAyLCAnVzEnXSI=", "Cursor value is invalid."),
        ("cursor=*&sample=5", "Cursor pagination does not work with sample."),
    ],
)
def test_bad_requests_are_refused_in_the_words_of_the_api(address: Address, query: str, message: str) -> None:
    got = ask(address, f"/works?{query}")
    assert got.status == 400
    assert got.json["message"].startswith(message)
    assert got.json["error"] in (
        "Invalid query parameters error.",
        "Pagination error.",
        "Invalid request rejected at the API edge",
    )
    assert got.headers["x-ratelimit-credits-used"] == "0", "errors are free"


def test_the_last_page_within_ten_thousand_is_answered(address: Address) -> None:
    assert works(address, page=100, per_page=100).json["results"] == []


@pytest.mark.parametrize("query", ["filter=fulltext.search:peer", "sort=works_count", "search.semantic=peer", "group_by=mag"])
def test_what_is_not_imitated_is_said_not_guessed(address: Address, query: str) -> None:
    got = ask(address, f"/works?{query}")
    valid = got.status == 501 and got.json["error"] == "Not in the stand-in"
    assert valid or "works_count is not a valid field" in got.json["message"]


def test_the_request_line_has_8190_bytes_at_most(address: Address) -> None:
    start = "/works?filter=title.search:"
    room = 8190 - len(f"GET {start} HTTP/1.1")
    assert ask(address, start + "a" * room).status == 200
    got = ask(address, start + "a" * (room + 1))
    assert (got.status, got.json["error"]) == (400, "Request URL too long")
