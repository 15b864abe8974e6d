"""Lists, facets and counts of works, read from the index that was built beside the store (`kgraph.workindex`)."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import fail
from kgraph.search import MAX_LETTERS, MAX_WORDS, spellings
from kgraph.workcolumns import FACETS, LISTED, SORTS, Columns, Mask
from kgraph.workindex import CHINESE
from kgraph.workterms import bare_doi, doi_address, openalex_id

RELEVANCE = "relevance"
ORDERS = (RELEVANCE, *SORTS)
RANKED = 5000  # works with a text that are put in order by how well they fit it, at most; more are put in order by citations
COMMONEST = "SELECT facet, key, label, works FROM value WHERE facet = ? ORDER BY works DESC, id LIMIT ?"
_COLUMNS = "openalex, iri, title, authors, year, source, type, cited, inside, open, retracted"
_RUN = re.compile(f"(?:{CHINESE.pattern})+")


@dataclass(frozen=True)
class Wanted:
    """Which works are wanted: all that fulfil everything.

    `text` is looked for in titles and abstracts, word by word; `values` are pairs of a facet and a key, such as
    ("topic", "T10123"); `since` and `until` are years; `cites` and `cited_by` are OpenAlex ids of works of the graph.
    """

    text: str = ""
    values: tuple[tuple[str, str], ...] = ()
    since: int | None = None
    until: int | None = None
    cites: str = ""
    cited_by: str = ""

    def __bool__(self) -> bool:
        return self != Wanted()


@dataclass(frozen=True)
class WorkRow:
    """A work in a list. `cited` is how often OpenAlex says that it is cited, `inside` by how many works of the graph."""

    openalex: str
    iri: str
    title: str
    authors: str
    year: int | None
    source: str
    type: str
    cited: int | None
    inside: int
    open: bool | None
    retracted: bool


@dataclass(frozen=True)
class FacetValue:
    """A value of a facet with how many works have it; `label` is empty where the key says it all."""

    facet: str
    key: str
    label: str
    works: int


@dataclass(frozen=True)
class Found:
    """A part of the works that are wanted, and how many there are in all; by facet, the values that most of these have; whether
    they are put in order by relevance."""

    number: int
    works: list[WorkRow]
    facets: dict[str, list[FacetValue]] = field(default_factory=dict)
    ranked: bool = False


class WorkIndex:
    """The index in a file; without one, an index of no works. Every answer is read from the file as it was built."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.exists = path.is_file()

    def find(self, wanted: Wanted, order: str = "", offset: int = 0, limit: int = 50, facets: int = 0) -> Found:
        """The works that are wanted, in an order of `ORDERS` or, where a text is wanted and they are not too many, by relevance
        (`order` is empty or says so): at most `limit` after `offset`; of each facet the `facets` commonest values. Raises
        `KgraphError` for an order or a facet that there is not."""
        if order and order not in ORDERS:
            raise fail(f"there is no order {order!r}", f"There are: {', '.join(ORDERS)}")
        for facet, _ in wanted.values:
            if facet not in FACETS:
                raise fail(f"there is no facet {facet!r}", f"There are: {', '.join(LISTED)}")
        if not self.exists:
            return Found(0, [])
        with self._reading() as db:
            mask, hits = self._mask(db, wanted)
            number = int(np.count_nonzero(mask))
            ranked = order in ("", RELEVANCE) and 0 < hits <= RANKED
            if ranked:
                query = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 4.0, 1.0), rowid"
                ids = [row[0] for row in db.execute(query, (expression(wanted.text),)) if mask[row[0]]]
            else:
                ids = self._columns.ordered(mask, order if order in SORTS else "cited").tolist()
            works = _rows(db, ids[offset : offset + limit])
            counted = self._facets(db, mask if wanted else None, facets) if facets else {}
            return Found(number, works, counted, ranked)

    def work(self, name: str) -> WorkRow | None:
        """A work by its IRI, OpenAlex id or DOI, or None."""
        if not self.exists:
            return None
        doi = bare_doi(name)
        names = [name, *([doi_address(doi)] if doi else [])]
        with self._reading() as db:
            query = "SELECT id FROM work WHERE openalex = ? OR iri IN (?, ?) LIMIT 1"
            found = db.execute(query, (openalex_id(name), names[0], names[-1])).fetchone()
            return _rows(db, found)[0] if found else None

    def values(self, openalex: str) -> dict[str, list[FacetValue]]:
        """What a work has of every facet; `works` is how many works have it."""
        query = (
            "SELECT value.facet, key, label, works FROM has JOIN value ON value.id = has.value"
            " WHERE has.work = (SELECT id FROM work WHERE openalex = ?) ORDER BY value.id"
        )
        with self._reading() as db:
            return _by_facet(db.execute(query, (openalex,)))

    def counted(self, concept: str, facet: str, most: int = 20) -> list[FacetValue]:
        """How many works of a concept (its slug; works that name it or a narrower one) have each value of a facet, the commonest
        first: `year`, `named` (concepts that they name too), `author`, `source`, `topic` or `country`."""
        query = (
            "SELECT tally.facet, key, label, tally.works FROM tally JOIN value ON value.id = tally.value"
            " WHERE tally.concept = (SELECT id FROM value WHERE facet = ? AND key = ?) AND tally.facet = ?"
            " ORDER BY tally.works DESC, tally.value LIMIT ?"
        )
        numbers = FACETS.index("concept"), concept, FACETS.index(facet), most
        if not self.exists:
            return []
        with self._reading() as db:
            return _by_facet(db.execute(query, numbers)).get(facet, [])

    def commonest(self, facet: str, most: int = 20) -> list[FacetValue]:
        """The values of a facet that most works have."""
        if not self.exists:
            return []
        with self._reading() as db:
            return _by_facet(db.execute(COMMONEST, (FACETS.index(facet), most))).get(facet, [])

    def named(self, facet: str, name: str) -> FacetValue | None:
        """The value of a facet with this key or else with this label, whatever its case; of several the commonest."""
        if not self.exists:
            return None
        start = "SELECT facet, key, label, works FROM value WHERE facet = ? AND "
        with self._reading() as db:
            for condition in ("key = ?", "label = ? COLLATE NOCASE ORDER BY works DESC, id LIMIT 1"):
                if found := _by_facet(db.execute(start + condition, (FACETS.index(facet), name))):
                    return found[facet][0]
        return None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                yield db
        except sqlite3.DatabaseError as error:
            remedy = "Build it anew: kgraph build --force"
            raise fail(f"the index of works cannot be read ({error})", remedy, file=self._path) from error

    @cached_property
    def _columns(self) -> Columns:
        with self._reading() as db:
            return Columns(db)

    def _mask(self, db: sqlite3.Connection, wanted: Wanted) -> tuple[Mask, int]:
        """Which works are wanted, and how many have the text alone (0: no text is wanted)."""
        columns = self._columns
        mask, hits = columns.all(), 0
        if wanted.text.strip():
            mask = columns.none()
            found = db.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression(wanted.text),))
            mask[np.fromiter((row[0] for row in found), np.int32)] = True
            hits = int(np.count_nonzero(mask))
        if wanted.since is not None:
            mask &= columns.since(wanted.since)
        if wanted.until is not None:
            mask &= columns.until(wanted.until)
        for query, given in _conditions(wanted):
            one = columns.none()
            one[np.fromiter((row[0] for row in db.execute(query, given)), np.int32)] = True
            mask &= one
        return mask, hits

    def _facets(self, db: sqlite3.Connection, mask: Mask | None, most: int) -> dict[str, list[FacetValue]]:
        """The commonest values of every facet among the works of a mask; among all works, where there is none."""
        found: dict[str, list[FacetValue]] = {}
        for facet in LISTED:
            if mask is None:
                found |= _by_facet(db.execute(COMMONEST, (FACETS.index(facet), most)))
                continue
            counted = self._columns.count(mask, facet, most)
            query = "SELECT facet, key, label, ? FROM value WHERE id = ?"
            found |= _by_facet(db.execute(query, (works, value)).fetchone() for value, works in counted)
        return found


def _conditions(wanted: Wanted) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """A query for each condition but years and text, which gives the numbers of works, and what it is given."""
    for facet, key in wanted.values:
        yield "SELECT work FROM has WHERE value = (SELECT id FROM value WHERE facet = ? AND key = ?)", (FACETS.index(facet), key)
    if wanted.cites:
        yield "SELECT citing FROM cites WHERE cited = (SELECT id FROM work WHERE openalex = ?)", (wanted.cites,)
    if wanted.cited_by:
        yield "SELECT cited FROM cites WHERE citing = (SELECT id FROM work WHERE openalex = ?)", (wanted.cited_by,)


def expression(text: str) -> str:
    """What somebody typed as a question to the index: every word, the last one perhaps only begun, and Chinese characters in
    this order. No sign of it has a meaning there, so that nothing is malformed; without a letter it finds nothing."""
    text = text[:MAX_LETTERS].encode("utf-8", "ignore").decode()
    words = re.findall(r"[^\W_]+", _RUN.sub(" ", text))[:MAX_WORDS]
    terms = ["(" + " OR ".join(f'"{spelling}"' for spelling in spellings(word)) + ")" for word in words]
    if words and not _RUN.search(text[text.rfind(words[-1]) :]):
        terms[-1] = f'({terms[-1]} OR "{words[-1]}" *)'
    terms += (f'"{" ".join(run)}"' for run in _RUN.findall(text)[:MAX_WORDS])
    return " AND ".join(terms) or '""'


def _rows(db: sqlite3.Connection, ids: Sequence[int]) -> list[WorkRow]:
    """Works by number, in this order."""
    query = f"SELECT {_COLUMNS} FROM work WHERE id = ?"  # noqa: S608
    return [_row(db.execute(query, (number,)).fetchone()) for number in ids]


def _row(values: Sequence[Any]) -> WorkRow:
    one = dict(zip(_COLUMNS.split(", "), values, strict=True))
    return WorkRow(**one | {key: one[key] if one[key] is None else bool(one[key]) for key in ("open", "retracted")})


def _by_facet(rows: Iterable[Any]) -> dict[str, list[FacetValue]]:
    found: dict[str, list[FacetValue]] = {}
    for facet, key, label, works in rows:
        found.setdefault(FACETS[facet], []).append(FacetValue(FACETS[facet], key, label, works))
    return found
