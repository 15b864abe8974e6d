"""Papers: the list of harvested works with a search, facets and downloads. Every answer comes from the index beside the store."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import BadRequest, NotFound

from kgraph.names import CONCEPT
from kgraph.queries import plain_cell
from kgraph.web.links import find_work, nothing_here
from kgraph.web.lists import SIZE, Pager
from kgraph.web.published import label, view
from kgraph.web.words import ACCESS, ORDER_NAMES, TONGUES, WORK_TYPES
from kgraph.worklist import ORDERS, FacetValue, Found, Wanted, WorkIndex, WorkRow

pages = Blueprint("works", __name__)

FACET_NAMES = {  # those that a list can be narrowed by, in the order of the page
    "concept": ("Concepts named", "提及的概念"),
    "year": ("Years", "年份"),
    "type": ("Types", "类型"),
    "topic": ("Topics of OpenAlex", "主题"),
    "source": ("Journals and other sources", "来源"),
    "author": ("Authors", "作者"),
    "country": ("Countries of the authors", "作者所在国家"),
    "language": ("Languages", "语言"),
    "access": ("Free to read", "开放获取"),
    "retracted": ("Retracted", "撤稿"),
    "harvest": ("Harvests", "采集"),
}
ONE = {  # how one value is spoken of
    "concept": "names", "named": "names itself", "type": "type", "topic": "topic", "source": "source", "author": "author",
    "country": "country", "language": "language", "access": "access", "retracted": "standing", "harvest": "harvest",
}  # fmt: skip
OTHERS = ("q", "since", "until", "order", "cites", "cited_by")
SHORT, LONG = 8, 300  # values of a facet: on a page, and where somebody wants more of it
PIECE = 5_000  # works that a download reads at a time
KEYS = {"topic": "T", "author": "A", "source": "SV"}  # what keys of OpenAlex begin with
COLUMNS = tuple(one.name for one in fields(WorkRow))
Arguments = list[tuple[str, str]]


@dataclass
class Filter:
    """A filter that is on: what it is in words, and the address of the list without it; `known`: whether any work has it."""

    kind: str
    words: str
    without: str
    known: bool = True


@dataclass
class Question:
    """What the address asks for: arguments as they came, what is wanted of the index, and values that no work has."""

    arguments: Arguments
    wanted: Wanted
    order: str
    unknown: list[tuple[str, str]] = field(default_factory=list)

    def find(self, index: WorkIndex, offset: int = 0, limit: int = SIZE, facets: int = 0) -> Found:
        """The works that fit; none where something is asked for that no work has."""
        return Found(0, []) if self.unknown else index.find(self.wanted, self.order, offset, limit, facets)


def address(arguments: Iterable[tuple[str, str]], path: str = "/works") -> str:
    """The address of a list of works."""
    text = urlencode(list(arguments))
    return f"{request.script_root}{path}?{text}" if text else request.script_root + path


@pages.app_template_global()
def works_as(suffix: str) -> str:
    """The address of the list that is shown, whole, as `csv` or `json`."""
    return address(
        ((name, value) for name, value in request.args.items(multi=True) if name not in ("page", "more")), f"/works.{suffix}"
    )


@pages.app_template_global()
def works_with(**values: str | int | None) -> str:
    """The address of the works that have some values: `works_with(concept="hope", since=2010)`."""
    return address((name, str(value)) for name, value in values.items() if value not in (None, ""))


def read_question() -> Question:
    """What the address asks for. A year that is none, or an order that there is not, is refused."""
    index = view().works
    given: Arguments = [(name, " ".join(value.split())) for name, value in request.args.items(multi=True)]
    given = list(dict.fromkeys((name, value) for name, value in given if value and name not in ("page", "more")))
    if unknown := [name for name, _ in given if name not in (*ONE, *OTHERS)]:
        raise BadRequest(f"A list of papers knows no “{unknown[0]}”; it knows {', '.join([*OTHERS, *ONE])}.")
    one = dict(reversed(given))  # the first value of each
    order = one.get("order", "")
    if order and order not in ORDERS:
        raise NotFound(f"There is no order “{order}”; there are {', '.join(ORDERS)}.")
    question = Question(given, Wanted(one.get("q", ""), (), _year(one, "since"), _year(one, "until")), order)
    values = []
    for name, value in given:
        if name in ONE and index.exists:
            key = _key(index, name, value)
            if key:
                values.append((name, key))
            else:
                question.unknown.append((name, value))
    works = {}
    for name in ("cites", "cited_by"):
        if name in one and index.exists:
            if work := find_work(one[name]):
                works[name] = work.openalex
            else:
                question.unknown.append((name, one[name]))
    question.wanted = replace(question.wanted, values=tuple(dict.fromkeys(values)), **works)
    return question


def _year(given: dict[str, str], name: str) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise BadRequest(f"“{text}” is no year: write four digits, such as 2015.")
    return int(text)


def _key(index: WorkIndex, facet: str, value: str) -> str:
    """The key of a value of a facet, also of one that is given by its name; empty where no work has it."""
    if facet in KEYS and value[:1].upper() in KEYS[facet] and value[1:].isdecimal():
        return value.upper()  # no need to look: the list is empty where there is none
    found = index.named(facet, value.upper() if facet == "country" else value)
    return found.key if found else ""


@pages.get("/works")
def works() -> str:
    """Works by words of title and abstract, and by facets; `order` is one of `ORDERS`."""
    index = view().works
    if not index.exists:
        return render_template("works.html")
    question = read_question()
    more = request.args.get("more", "")
    if more and more not in FACET_NAMES:
        raise NotFound(f"There is no facet “{more}”; there are {', '.join(FACET_NAMES)}.")
    page = request.args.get("page", "1")
    offset = (int(page) - 1) * SIZE if page.isdecimal() and 0 < len(page) < 9 else 0
    found = question.find(index, max(0, offset), SIZE, LONG if more else SHORT)
    pager = Pager(found.number)
    order = question.order or ("relevance" if question.wanted.text else "cited")
    names = {(facet, one.key): one for facet, values in found.facets.items() for one in values}
    return render_template(
        "works.html",
        found=found,
        pager=pager,
        question=question,
        order=order,
        unranked=order == "relevance" and found.number > 0 and not found.ranked,
        orders=[name for name in ORDER_NAMES if question.wanted.text or name != "relevance"],
        filters=_filters(index, question, names),
        facets={name: _choices(question, name, found.facets[name]) for name in FACET_NAMES if found.facets.get(name)},
        names=FACET_NAMES,
        more=more,
        longer=[name for name, values in found.facets.items() if len(values) >= SHORT],
        short=SHORT,
        hidden=[pair for pair in question.arguments if pair[0] not in ("q", "since", "until", "order")],
    )


def _choices(question: Question, facet: str, values: list[FacetValue]) -> list[tuple[str, str, int]]:
    """The values of a facet that narrow the list further: words, address, number of works."""
    chosen = {key for name, key in question.wanted.values if name == facet}
    if facet == "year":
        kept = [pair for pair in question.arguments if pair[0] not in ("since", "until")]
        if question.wanted.since is not None and question.wanted.since == question.wanted.until:
            return []
        values = sorted(values, key=lambda one: one.key, reverse=True)
        return [(one.key, address([*kept, ("since", one.key), ("until", one.key)]), one.works) for one in values]
    return [
        (value_words(facet, one.key, one.label), address([*question.arguments, (facet, one.key)]), one.works)
        for one in values
        if one.key not in chosen
    ]


def _filters(index: WorkIndex, question: Question, names: dict[tuple[str, str], FacetValue]) -> list[Filter]:
    """The filters that are on."""
    filters = []
    for name, value in question.arguments:
        without = address(pair for pair in question.arguments if pair != (name, value))
        known = (name, value) not in question.unknown
        if name == "q":
            filters.append(Filter("words", f"“{value}”", without))
        elif name in ("since", "until"):
            filters.append(Filter("from" if name == "since" else "to", value, without))
        elif name in ("cites", "cited_by"):
            work = find_work(value)
            kind = "cites" if name == "cites" else "cited by"
            filters.append(Filter(kind, f"“{work.title or work.openalex}”" if work else value, without, known))
        elif name in ONE:
            found = names.get((name, value)) or (index.named(name, value) if known else None)
            words = value_words(name, found.key, found.label) if found else value
            filters.append(Filter(ONE[name], words, without, known and found is not None))
    return filters


@pages.app_template_global()
def value_words(facet: str, key: str, name: str = "") -> str:
    """A value of a facet in words."""
    if facet in ("concept", "named"):
        return label(str(CONCEPT[key])).en
    known = {"type": WORK_TYPES, "language": TONGUES, "access": ACCESS, "retracted": {"yes": "retracted"}}
    return known.get(facet, {}).get(key) or name or key


@pages.get("/works.csv")
def table() -> Response:
    """The whole list as a table, a row a work."""
    return _download(_csv_pieces, "text/csv; charset=utf-8", "works.csv")


@pages.get("/works.json")
def data() -> Response:
    """The whole list as records."""
    return _download(_json_pieces, "application/json", "works.json")


def _download(pieces: Any, media: str, name: str) -> Response:
    index = view().works
    if not index.exists:
        raise NotFound(nothing_here())
    question = read_question()

    def rows() -> Iterator[list[WorkRow]]:
        offset = 0
        while part := question.find(index, offset, PIECE).works:
            yield part
            offset += len(part)

    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(pieces(rows()), content_type=media, headers=headers)


def _csv_pieces(parts: Iterator[list[WorkRow]]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for part in parts:
        writer.writerows([plain_cell(getattr(row, column)) for column in COLUMNS] for row in part)
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def _json_pieces(parts: Iterator[list[WorkRow]]) -> Iterator[bytes]:
    before = b"[\n"
    for part in parts:
        for row in part:
            yield before + orjson.dumps(asdict(row))
            before = b",\n"
    yield b"\n]\n" if before != b"[\n" else b"[]\n"
