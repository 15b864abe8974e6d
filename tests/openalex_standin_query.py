"""Lists, groups, single works and autocompletion of the stand-in OpenAlex: parameters in, JSON out."""

import ast
import base64
import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlencode

from openalex_standin_answers import (
    Answer,
    Json,
    RefusedError,
    Work,
    Works,
    bad_page,
    bad_query,
    bare_doi,
    error,
    names_of,
    not_found,
    not_imitated,
    tail,
    words_of,
)
from openalex_standin_filters import Score, inside, read_filters, text_search, valid_field

# fmt: off
PARAMETERS = [
    "apc_sum", "api-key", "api_key", "cited_by_count_sum", "cursor", "data_version", "data-version", "filter", "format",
    "include_xpac", "include-xpac", "group_by", "group-by", "group_bys", "group-bys", "mailto", "page", "per_page", "per-page",
    "q", "sample", "seed", "search", "search.exact", "search.semantic", "search.title", "search.title.exact",
    "search.title_and_abstract", "search.title_and_abstract.exact", "select", "sort", "warm",
]
# fmt: on
SEARCHES = {  # parameter: where it looks
    "search": ("title", "abstract"),
    "search.exact": ("title", "abstract"),
    "search.title": ("title",),
    "search.title.exact": ("title",),
    "search.title_and_abstract": ("title", "abstract"),
    "search.title_and_abstract.exact": ("title", "abstract"),
}
SORTS = {  # name: where its value is
    "cited_by_count": inside("cited_by_count"),
    "publication_date": inside("publication_date"),
    "publication_year": inside("publication_year"),
    "display_name": inside("display_name"),
    "title": inside("title"),
    "fwci": inside("fwci"),
    "updated_date": inside("updated_date"),
    "referenced_works_count": inside("referenced_works_count"),
    "cited_by_percentile_year.max": inside("cited_by_percentile_year", "max"),
    "openalex": inside("id"),
}
LISTED_FIRST = [("cited_by_percentile_year.max", True), ("cited_by_count", True), ("openalex", False)]
FOUND_FIRST = [("relevance_score", True), ("publication_date", False), ("openalex", False)]
GROUPS = {  # name: (where its values are, what stands before a value in its key)
    "type": (inside("type"), "https://openalex.org/types/"),
    "language": (inside("language"), "https://openalex.org/languages/"),
    "publication_year": (inside("publication_year"), ""),
    "is_retracted": (inside("is_retracted"), ""),
    "open_access.is_oa": (inside("open_access", "is_oa"), ""),
    "open_access.oa_status": (inside("open_access", "oa_status"), ""),
    "primary_topic.id": (inside("primary_topic"), ""),
    "primary_location.source.id": (inside("primary_location", "source"), ""),
}
TRUE_OR_FALSE = ("is_retracted", "open_access.is_oa")
MOST_RESULTS = 10_000
MOST_AUTHORS = 100


def list_works(works: Works, query: Mapping[str, str], credits: int, older_paging: bool) -> Json:
    """The answer to `/works?...`. Raises `RefusedError` where OpenAlex would refuse."""
    check(query)
    found = chosen(works, query)
    if group := query.get("group_by") or query.get("group-by"):
        return grouped(group, [work for work, _ in found], query, credits)
    page, per_page, cursor = paging(query, 25)
    searched = bool(search_of(query)) or ".search" in query.get("filter", "")
    if "sample" in query:
        some = random.Random(query.get("seed"))  # noqa: S311 - no secret
        found = some.sample(found, min(int(query["sample"]), len(found)))
    else:
        found = ordered(found, order_of(query.get("sort", ""), searched))
    start = after(cursor, found) if cursor else (page - 1) * per_page
    results = found[start : start + per_page]
    meta: Json = {"count": len(found), "db_response_time_ms": 12, "page": None if cursor else page, "per_page": per_page}
    if cursor:
        more = bool(results) if older_paging else len(results) == per_page
        meta["next_cursor"] = encode(*results[-1]) if more else None
    meta |= {"groups_count": None, "cost_usd": credits / 10_000}
    shown = [select(listed(work, score if searched else None), query) for work, score in results]
    return {"meta": meta, "results": shown, "group_by": []}


def one_work(works: Works, identifier: str, query: Mapping[str, str]) -> Answer:
    """The answer to `/works/<identifier>`: the record, the 302 to an id's canonical form, or the HTML 404."""
    found = re.fullmatch(r"(?:https?://(?:www\.|api\.)?openalex\.org/(?:works/)?|openalex:|mag:)?[wW]?(\d+)", identifier)
    if found and identifier != f"W{found[1]}":
        at = f"/works/W{found[1]}" + (f"?{urlencode(query)}" if query else "")
        page = f'<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<a href="{at}">{at}</a>\n'
        return Answer(302, html=page.encode(), headers={"Location": at})
    low = identifier.lower()
    if found:
        matches = [works.by_id[low]] if low in works.by_id else []
    elif low.startswith("pmid:") or "pubmed" in low:
        matches = with_value(works, "pmid", tail(low.removeprefix("pmid:")))
    elif low.startswith("pmcid:"):
        matches = with_value(works, "pmcid", low.removeprefix("pmcid:").removeprefix("pmc"))
    else:
        wanted = bare_doi(low) if "doi" in low else ""
        matches = [work for work in works.records if wanted and bare_doi(work.get("doi") or "") == wanted]
    check_select(query)
    return Answer(payload=select(without_score(matches[0]), query)) if matches else not_found()


def autocomplete(works: Works, query: Mapping[str, str]) -> Json:
    """The answer to `/autocomplete/works?q=...`: the ten most cited works whose titles have words that begin so."""
    begun = tuple(words_of(query.get("q", ""), exact=True))
    found = [
        work
        for work in works.records
        if begun and all(any(word.startswith(start) for word in works.words(work, "title", True)) for start in begun)
    ]
    first = sorted(found, key=lambda work: -int(work.get("cited_by_count") or 0))[:10]
    results = [
        {
            "id": work["id"],
            "short_id": f"works/{work['id'].rsplit('/', 1)[-1]}",
            "display_name": work["display_name"],
            "hint": ", ".join(str(name) for name in inside("authorships", "author", "display_name")(work)[:3]),
            "cited_by_count": work.get("cited_by_count"),
            "works_count": None,
            "entity_type": "work",
            "external_id": work.get("doi"),
            "filter_key": "id",
        }
        for work in first
    ]
    meta = {"count": len(found), "db_response_time_ms": 12, "page": 1, "per_page": 10, "cost_usd": 0}
    return {"meta": meta, "results": results}


# ---- parameters


def check(query: Mapping[str, str]) -> None:
    """Refuses unknown parameters, and parameters that do not go together."""
    if "limit" in query:
        message = "The 'limit' parameter is not valid. Did you mean 'per-page'? e.g. /works?search=foo&per-page=5"
        headers = {"x-openalex-edge-reject": "f1:limit_param"}
        title = "Invalid request rejected at the API edge"
        raise RefusedError(error(400, title, message, headers, error_source="openalex-api-proxy"))
    for name in query:
        if name not in PARAMETERS:
            raise bad_query(f"{name} is not a valid parameter. Valid parameters are: {', '.join(PARAMETERS)}.")
    for name in ("search.semantic", "group_bys", "group-bys", "apc_sum", "cited_by_count_sum", "q"):
        if name in query:
            raise not_imitated(f"the parameter {name}")
    if query.get("format", "json").lower() != "json":
        raise not_imitated("formats other than JSON")
    grouping = "group_by" in query or "group-by" in query
    if grouping and "select" in query:
        raise bad_query("select does not work with group_by.")
    check_select(query)
    text = query.get("search", "")
    for sign in "!|":
        if any(word.startswith("!") for word in text.split()) if sign == "!" else "|" in text:
            raise bad_query(f"The search parameter does not support the {sign} operator. Problem value: {text}")
    check_sample(query, grouping)


def check_sample(query: Mapping[str, str], grouping: bool) -> None:
    """Refuses samples that are too large or do not go with the rest."""
    if "seed" in query and "sample" not in query:
        raise bad_query("You must include the sample parameter when using a seed value.")
    if "sample" not in query:
        return
    if not query["sample"].isdigit():
        raise bad_query("sample must be an integer.")
    if int(query["sample"]) > MOST_RESULTS:
        raise bad_query("Sample size must be less than or equal to 10,000.")
    if "sort" in query or grouping:
        raise bad_query(f"sample does not work with {'sort' if 'sort' in query else 'group_by'}.")
    if "cursor" in query:
        raise bad_page("Cursor pagination does not work with sample.")
    if query.get("page", "1") != "1" and "seed" not in query:
        raise bad_query("A seed value is required when paginating through samples of results.")


def check_select(query: Mapping[str, str]) -> None:
    """Refuses to select what is no root field, in the recorded words."""
    valid = names_of("error_400_invalid_select")
    for name in query.get("select", "").split(",") if query.get("select") else []:
        if name.strip() not in valid:
            raise bad_query(f"{name} is not a valid select field. Valid fields for select are: {', '.join(valid)}.")


def paging(query: Mapping[str, str], usual: int) -> tuple[int, int, str]:
    """Page, page size and cursor (empty: none)."""
    page = whole_number(query, "page", 1)
    per_page = whole_number(query, "per-page", usual)
    cursor = query.get("cursor", "")
    if page < 1:
        raise bad_page("Page parameter must be greater than 0.")
    if not 1 <= per_page <= 200:
        raise bad_page("per-page parameter must be between 1 and 200")
    if page * per_page > MOST_RESULTS:
        raise bad_page(
            "Maximum results size of 10,000 records is exceeded. Cursor pagination is required for records beyond 10,000. "
            "See: https://docs.openalex.org/api#cursor-paging"
        )
    if cursor and page != 1:
        raise bad_page("Cannot use page parameter with cursor.")
    return page, per_page, cursor


def whole_number(query: Mapping[str, str], name: str, usual: int) -> int:
    """A number from a parameter that may be spelled with a hyphen or an underscore."""
    value = query.get(name) or query.get(name.replace("-", "_"))
    try:
        return int(value) if value else usual
    except ValueError:
        raise bad_query(f"Param {name} must be a number.") from None


# ---- choosing and ordering


def search_of(query: Mapping[str, str]) -> str:
    """The search parameter that is in use; empty if there is none."""
    return next((name for name in SEARCHES if query.get(name, "").strip('"')), "")


def chosen(works: Works, query: Mapping[str, str]) -> list[tuple[Work, float]]:
    """The works that meet every condition, with their relevance."""
    conditions = read_filters(query.get("filter", ""), works)
    scored: list[Score] = [test for name, test in conditions if ".search" in name]
    plain: list[Score] = [test for name, test in conditions if ".search" not in name]
    if name := search_of(query):
        scored.append(text_search(query[name], works, SEARCHES[name], exact=name.endswith(".exact")))
    found = []
    for work in works.records:
        if all(test(work) for test in plain) and all(scores := [test(work) for test in scored]):
            found.append((work, round(sum(scores), 3)))
    return found


def order_of(sort: str, searched: bool) -> list[tuple[str, bool]]:
    """What to sort by, each with whether the greatest comes first."""
    if not sort:
        return FOUND_FIRST if searched else LISTED_FIRST
    order = []
    for part in sort.split(","):
        name, _, direction = part.partition(":")
        name = name.replace("-", "_")
        if name == "relevance_score" and not searched:
            raise bad_query(
                "Must include a search query (such as ?search=example or /filter=display_name.search:example) in order to sort "
                "by relevance_score."
            )
        if name not in SORTS and name != "relevance_score":
            valid_field(name)
            raise not_imitated(f"sorting by {name}")
        order.append((name, direction == "desc"))
    return [*order, ("openalex", False)]


def ordered(found: list[tuple[Work, float]], order: list[tuple[str, bool]]) -> list[tuple[Work, float]]:
    """The works in that order, those without a value last."""
    for name, descending in reversed(order):
        keyed = [([score] if name == "relevance_score" else SORTS[name](work), work, score) for work, score in found]
        have = [each for each in keyed if each[0] and each[0][0] is not None]
        lack = [each for each in keyed if not each[0] or each[0][0] is None]
        have.sort(key=lambda each: each[0][0], reverse=descending)
        found = [(work, score) for _, work, score in have + lack]
    return found


def encode(last: Work, score: float) -> str:
    """The cursor that goes on after a work; it looks like OpenAlex's own, a JSON text of a Python list in base64."""
    place = [score, last.get("cited_by_count", 0), last["id"]]
    return base64.b64encode(json.dumps(str(place)).encode()).decode()


def after(cursor: str, found: list[tuple[Work, float]]) -> int:
    """Where in the list a cursor goes on."""
    if cursor == "*":
        return 0
    if cursor.lower() in ("null", "none"):
        raise bad_page("Cursor is null. Likely reached end of results.")
    try:
        last = ast.literal_eval(json.loads(base64.b64decode(cursor)))[-1]
    except (ValueError, SyntaxError, TypeError, IndexError):
        raise bad_page("Invalid cursor value") from None
    place = next((number for number, (work, _) in enumerate(found) if work["id"] == last), None)
    if place is None:
        raise bad_page("Cursor value is invalid.")
    return place + 1


# ---- shapes


def listed(work: Work, score: float | None) -> Work:
    """A work as lists show it: at most 100 authorships, the relevance after the title if something was searched for."""
    shown = without_score(work)
    if score is not None:
        items = list(shown.items())
        shown = dict([*items[:4], ("relevance_score", score), *items[4:]])
    if len(shown.get("authorships") or []) > MOST_AUTHORS:
        shown |= {"authorships": shown["authorships"][:MOST_AUTHORS], "is_authors_truncated": True}
    return shown


def without_score(work: Work) -> Work:
    """A work without the relevance that it had in the search it was recorded in."""
    return {name: value for name, value in work.items() if name != "relevance_score"}


def select(work: Work, query: Mapping[str, str]) -> Work:
    """The fields that were selected, in the work's own order."""
    if not query.get("select"):
        return work
    names = {name.strip() for name in query["select"].split(",")}
    return {name: value for name, value in work.items() if name in names}


def grouped(group: str, found: list[Work], query: Mapping[str, str], credits: int) -> Json:
    """The answer to `group_by`: no results, groups by size, or by key with a cursor."""
    if group == "referenced_works":
        raise bad_query("Group by referenced_works is not supported at this time.")
    if ".search" in group or "date" in group:
        raise bad_query("Cannot group by date, number, or search fields.")
    if group not in GROUPS:
        valid_field(group)
        raise not_imitated(f"grouping by {group}")
    page, per_page, cursor = paging(query, 200)
    if page != 1:
        raise bad_page("Unable to paginate beyond page 1. Group-by is limited to page 1 with up to 200 results at this time.")
    values, before = GROUPS[group]
    if cursor and group in TRUE_OR_FALSE:
        raise bad_query("Cannot use cursor pagination when grouping fields that return true or false.")
    counts = Counter(key_of(value, before) for work in found for value in values(work) if value is not None)
    groups = sorted(counts.items(), key=lambda item: item[0] if cursor else (-item[1], item[0]))
    if cursor and cursor != "*":
        last = json.loads(base64.b64decode(cursor))
        groups = [item for item in groups if tail(item[0][0]) > last]
    groups = groups[:per_page]
    meta: Json = {"count": len(found), "db_response_time_ms": 12, "page": None if cursor else 1, "per_page": per_page}
    if cursor:
        meta["next_cursor"] = base64.b64encode(json.dumps(tail(groups[-1][0][0])).encode()).decode() if groups else None
    meta |= {"groups_count": len(groups), "cost_usd": credits / 10_000}
    return {"meta": meta, "group_by": [{"key": key, "key_display_name": name, "count": n} for (key, name), n in groups]}


def key_of(value: object, before: str) -> tuple[str, str]:
    """The key and the name of a group."""
    if isinstance(value, dict):
        return value["id"], value["display_name"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return before + text, text


def with_value(works: Works, kind: str, wanted: str) -> list[Work]:
    """The works with an identifier of a kind (`pmid`, `pmcid`)."""
    return [work for work in works.records if tail(str((work.get("ids") or {}).get(kind) or "")) == wanted]
