"""The filters and the text search of the stand-in OpenAlex: `FILTERS` is the table of what it knows.

What a filter's value means (ranges, `|`, `!`, `null`, quoted commas) follows the API; a filter that the API has and the table
has not is answered with 501, an unknown one with the recorded 400.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from typing import Any

from openalex_standin_answers import (
    Answer,
    RefusedError,
    Work,
    Works,
    bad_query,
    bare_doi,
    error,
    names_of,
    not_imitated,
    tail,
    words_of,
)

MOST_VALUES = 100
Score = Callable[[Work], float]  # 0: the work does not match
Values = Callable[[Work], list[Any]]


@dataclass(frozen=True)
class Filter:
    """How one filter tests works: from its name, alternative values, and all the works. `spaces_join`: a space is AND."""

    test: Callable[[str, list[str], Works], Score]
    spaces_join: bool = False


# ---- kinds of filters


def same(values: Values, form: Callable[[str], str] = tail) -> Filter:
    """Equality with one of the work's values, both brought into one form; `null` asks for works without any."""

    def test(name: str, wanted: list[str], works: Works) -> Score:
        forms = {form(value) for value in wanted if value != "null"}

        def score(work: Work) -> bool:
            own = works.once(work, (name,), lambda: {form(str(value)) for value in values(work) if value})
            return not forms.isdisjoint(own) or (not own and "null" in wanted)

        return score

    return Filter(test, spaces_join=True)


def identifier(values: Values) -> Filter:
    """Equality of OpenAlex ids of works; anything else is refused."""
    plain = same(values)

    def test(name: str, wanted: list[str], works: Works) -> Score:
        for value in wanted:
            if not re.fullmatch(r"w\d+", tail(value)):
                raise bad_query(f"'{value}' is not a valid OpenAlex ID.")
        return plain.test(name, wanted, works)

    return Filter(test, spaces_join=True)


def pointed_at(field: str) -> Filter:
    """Works that a given work points at: `cited_by` and `related_to`."""

    def test(name: str, wanted: list[str], works: Works) -> Score:
        given = [works.by_id.get(tail(value), {}) for value in wanted]
        targets = {tail(target) for work in given for target in work.get(field) or []}
        return lambda work: tail(work["id"]) in targets

    return Filter(test)


def one_by_one(single: Callable[[str, str, Works], Score]) -> Filter:
    """A filter from the test of a single value."""

    def test(name: str, wanted: list[str], works: Works) -> Score:
        arms = [single(name, value, works) for value in wanted]
        return lambda work: sum(arm(work) for arm in arms)

    return Filter(test)


def number(field: str) -> Filter:
    """Numbers: `2020`, `2018-2020`, `-2020`, `2018-`, `>2018`, `<2020`."""

    def single(name: str, value: str, works: Works) -> Score:
        if found := re.fullmatch(r"([<>])(\d+)", value):
            bound = int(found[2])
            low, high = (bound + 1, math.inf) if found[1] == ">" else (-math.inf, bound - 1)
        elif found := re.fullmatch(r"(\d*)(-?)(\d*)", value) if value.strip("-") else None:
            low = int(found[1]) if found[1] else -math.inf
            high = int(found[3]) if found[3] else math.inf if found[2] else low
        else:
            raise bad_query(f"Value for param {name} must be a number.")
        return lambda work: work.get(field) is not None and low <= work[field] <= high

    return one_by_one(single)


def day(field: str, compare: Callable[[str, str], bool]) -> Filter:
    """Dates and times, compared with an ISO date or time."""

    def single(name: str, value: str, works: Works) -> Score:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise bad_query(f"Value for param {name} must be in the format YYYY-MM-DD: not {value}.") from None
        return lambda work: bool(work.get(field)) and compare(str(work[field])[: len(value)], value)

    return one_by_one(single)


def truth(value_of: Callable[[Work], object]) -> Filter:
    """`true` or `false`."""

    def single(name: str, value: str, works: Works) -> Score:
        if value.lower() not in ("true", "false"):
            raise bad_query(f"Value for {name} must be true or false: not {value}.")
        return lambda work: bool(value_of(work)) == (value.lower() == "true")

    return one_by_one(single)


def words(*parts: str, exact: bool = False) -> Filter:
    """A text search in the title, the abstract, or both."""
    return one_by_one(lambda name, value, works: text_search(value, works, parts, exact))


def text_search(text: str, works: Works, parts: Iterable[str], exact: bool = False) -> Score:
    """The score of works for words, "phrases", AND, OR, NOT and parentheses; a hit in the title counts four.

    Words are cut to a crude stem unless `exact`; only then is `*` allowed.
    """
    if not exact and re.search(r"\w[*?]|[*?]\w", re.sub(r'"[^"]*"', "", text)):
        raise bad_query("Wildcards (* or ?) require exact (no-stem) search.")
    tokens = re.findall(r'"[^"]*"|[()]|[^\s()"]+', text)

    def either() -> Score:
        arms = [both()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            arms.append(both())
        return lambda work: sum(arm(work) for arm in arms)

    def both() -> Score:
        arms: list[Score] = []
        while tokens and tokens[0] not in ("OR", ")"):
            if tokens[0] == "AND":
                tokens.pop(0)
                continue
            arms.append(single())

        def score(work: Work) -> float:
            found = [arm(work) for arm in arms]
            return sum(found) if all(found) else 0

        return score

    def single() -> Score:
        word = tokens.pop(0)
        if word == "NOT":
            inner = single() if tokens else lambda work: 0
            return lambda work: 0 if inner(work) else 0.001
        if word == "(":
            inner = either()
            if tokens:
                tokens.pop(0)
            return inner
        wanted = words_of(word, exact)
        return lambda work: sum((4 if part == "title" else 1) * hits(wanted, works.words(work, part, exact)) for part in parts)

    return either()


def hits(wanted: list[str], text: list[str]) -> int:
    """How often the words stand in the text, in this order and together; `*` and `?` stand for letters."""
    places = range(len(text) - len(wanted) + 1) if wanted else range(0)
    if any(set("*?") & set(word) for word in wanted):
        return sum(all(fnmatch(text[at + n], word) for n, word in enumerate(wanted)) for at in places)
    return sum(text[at] == wanted[0] and text[at : at + len(wanted)] == wanted for at in places)


# ---- the table


def inside(*path: str) -> Values:
    """The values at a path of keys, lists on the way passed through: `inside("authorships", "author", "id")`."""

    def values(work: Work) -> list[Any]:
        found: list[Any] = [work]
        for key in path:
            found = [item.get(key) for item in found if isinstance(item, dict)]
            found = [item for each in found for item in (each if isinstance(each, list) else [each])]
        return found

    return values


IDS = inside("id")
DOIS = same(inside("doi"), bare_doi)
FILTERS: dict[str, Filter] = {
    "openalex": identifier(IDS),
    "openalex_id": identifier(IDS),
    "ids.openalex": identifier(IDS),
    "doi": DOIS,
    "pmid": same(inside("ids", "pmid")),
    "ids.pmid": same(inside("ids", "pmid")),
    "pmcid": same(inside("ids", "pmcid")),
    "ids.pmcid": same(inside("ids", "pmcid")),
    "mag": same(inside("ids", "mag")),
    "ids.mag": same(inside("ids", "mag")),
    "cites": identifier(inside("referenced_works")),
    "referenced_works": identifier(inside("referenced_works")),
    "cited_by": pointed_at("referenced_works"),
    "related_to": pointed_at("related_works"),
    "publication_year": number("publication_year"),
    "cited_by_count": number("cited_by_count"),
    "referenced_works_count": number("referenced_works_count"),
    "publication_date": day("publication_date", lambda found, value: found == value),
    "from_publication_date": day("publication_date", lambda found, value: found >= value),
    "to_publication_date": day("publication_date", lambda found, value: found <= value),
    "from_created_date": day("created_date", lambda found, value: found >= value),  # these four: paid plans only
    "to_created_date": day("created_date", lambda found, value: found <= value),
    "from_updated_date": day("updated_date", lambda found, value: found >= value),
    "to_updated_date": day("updated_date", lambda found, value: found <= value),
    "type": same(inside("type")),
    "language": same(inside("language")),
    "is_retracted": truth(lambda work: work.get("is_retracted")),
    "is_paratext": truth(lambda work: work.get("is_paratext")),
    "is_xpac": truth(lambda work: work.get("is_xpac")),
    "is_oa": truth(lambda work: (work.get("open_access") or {}).get("is_oa")),
    "open_access.is_oa": truth(lambda work: (work.get("open_access") or {}).get("is_oa")),
    "open_access.oa_status": same(inside("open_access", "oa_status")),
    "has_doi": truth(lambda work: work.get("doi")),
    "has_abstract": truth(lambda work: work.get("abstract_inverted_index")),
    "has_references": truth(lambda work: work.get("referenced_works")),
    "author.id": same(inside("authorships", "author", "id")),
    "authorships.author.id": same(inside("authorships", "author", "id")),
    "authorships.author.orcid": same(inside("authorships", "author", "orcid")),
    "authorships.institutions.id": same(inside("authorships", "institutions", "id")),
    "authorships.institutions.country_code": same(inside("authorships", "institutions", "country_code")),
    "primary_location.source.id": same(inside("primary_location", "source", "id")),
    "primary_topic.id": same(inside("primary_topic", "id")),
    "topics.id": same(inside("topics", "id")),
    "keywords.id": same(inside("keywords", "id")),
    "default.search": words("title", "abstract"),  # in OpenAlex also the full text
    "title_and_abstract.search": words("title", "abstract"),
    "title_and_abstract.search.exact": words("title", "abstract", exact=True),
    "title.search": words("title"),
    "title.search.exact": words("title", exact=True),
    "display_name.search": words("title"),
    "display_name.search.exact": words("title", exact=True),
    "abstract.search": words("abstract"),
    "abstract.search.exact": words("abstract", exact=True),
}
HIDDEN = {"from_updated_date"}  # valid, but not among the names that the recorded error lists


# ---- reading a filter parameter


def read_filters(parameter: str, works: Works) -> list[tuple[str, Score]]:
    """The conditions of a `filter` parameter, each with its filter's name; all of them must hold.

    Raises `RefusedError` with the 400 that OpenAlex gives, or a 501.
    """
    conditions = []
    for part in re.findall(r'(?:[^,"]|"[^"]*"?)+', parameter):
        name, colon, value = part.partition(":")
        if not colon:
            raise RefusedError(raw_comma())
        name = name.replace("-", "_")
        conditions.append((name, condition(name, value, works)))
    return conditions


def condition(name: str, value: str, works: Works) -> Score:
    """One filter with its value: alternatives by `|`, NOT by a leading `!`."""
    if name not in FILTERS:
        valid_field(name)
        raise not_imitated(f"the filter {name}")
    if ".search" not in name:
        value = value.replace('"', "")
    negative, value = value.startswith("!"), value.removeprefix("!")
    values = value.split("|")
    if len(values) > MOST_VALUES:
        raise bad_query(
            f"Maximum number of values exceeded for {name}. Decrease values to {MOST_VALUES} or below, or consider downloading "
            "the full dataset at https://docs.openalex.org/download-snapshot"
        )
    if len(values) > 1 and (
        others := [field for field in [*FILTERS, *names_of("error_400_invalid_filter")] if f"{field}:" in value]
    ):
        raise bad_query(
            "It looks like you're trying to do an OR query between filters and it's not supported. \n"
            f"You can do this: {others[0]}:fr|en, but not this: {others[0]}:gb|type:article. \nProblem value: {value}"
        )
    if wrong := [each for each in values if each.startswith("!")]:
        raise bad_query(
            "The ! operator can only be used at the beginning of an OR query, like "
            "/works?filter=concepts.id:!C144133560|C15744967, meaning NOT (C144133560 or C15744967). "
            f"Problem value: {wrong[0]}"
        )
    made = FILTERS[name]
    if made.spaces_join and any(" " in each for each in values):
        arms = [[made.test(name, [word], works) for word in each.split()] for each in values]
    else:
        arms = [[made.test(name, values, works)]]

    def score(work: Work) -> float:
        found = sum(sum(each) for arm in arms if all(each := [test(work) for test in arm]))
        return not found if negative else found

    return score


def valid_field(name: str) -> None:
    """Refuses a name that is no field of works, in the recorded words."""
    valid = names_of("error_400_invalid_filter")
    if name not in valid and name not in HIDDEN:
        listed = ", ".join(valid)
        raise bad_query(f"{name} is not a valid field. Valid fields are underscore or hyphenated versions of: {listed}")


def raw_comma() -> Answer:
    """The 400 for a comma inside a value that is not quoted; it comes from the edge, not from the server behind it."""
    message = (
        "A filter value contains an unescaped comma. Commas separate filters, so a literal comma inside a value must be "
        "percent-encoded as %2C (or the whole value wrapped in double quotes)."
    )
    headers = {"x-openalex-edge-reject": "f1:raw_comma_filter"}
    return error(400, "Invalid request rejected at the API edge", message, headers, error_source="openalex-api-proxy")
