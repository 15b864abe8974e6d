"""Lists, facets and counts of works, read from the index that was built beside the store (`kgraph.workindex`)."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgraph.errors import fail
from kgraph.search import MAX_LETTERS, MAX_WORDS, spellings
from kgraph.workindex import CHINESE, FACETS

ORDERS = {
    "relevance": "score, id",
    "cited": "cited DESC, id",
    "newest": "year DESC, cited DESC, id",
    "oldest": "year IS NULL, year, id",
    "inside": "inside DESC, cited DESC, id",
    "title": "title COLLATE NOCASE, id",
}
LISTED = ("year", "type", "language", "access", "country", "concept", "topic", "author", "source", "harvest", "retracted")
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
    """A part of the works that are wanted, and how many there are in all; by facet, the values that most of these have."""

    number: int
    works: list[WorkRow]
    facets: dict[str, list[FacetValue]] = field(default_factory=dict)


class WorkIndex:
    """The index in a file; without one, an index of no works. Every answer is read from the file as it was built."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.exists = path.is_file()

    def find(self, wanted: Wanted, order: str = "", offset: int = 0, limit: int = 50, facets: int = 0) -> Found:
        """The works that are wanted, in an order of `ORDERS` (by relevance if a text is wanted, else by citations): at most
        `limit` after `offset`; of each facet the `facets` commonest values. Raises `KgraphError` for an unknown one."""
        order = order or ("relevance" if wanted.text.strip() else "cited")
        if order not in ORDERS:
            raise fail(f"there is no order {order!r}", f"There are: {', '.join(ORDERS)}")
        for facet, _ in wanted.values:
            if facet not in FACETS:
                raise fail(f"there is no facet {facet!r}", f"There are: {', '.join(LISTED)}")
        if not self.exists:
            return Found(0, [])
        with self._reading() as db:
            if not wanted:
                number = db.execute("SELECT count(*) FROM work").fetchone()[0]
                rows = db.execute(_listing("work", order), (limit, offset))
                return Found(number, _rows(rows), self._all_facets(db, facets) if facets else {})
            _choose(db, wanted)
            number = db.execute("SELECT count(*) FROM chosen").fetchone()[0]
            rows = db.execute(_listing("work JOIN chosen USING (id)", order), (limit, offset))
            return Found(number, _rows(rows), self._facets(db, facets) if facets else {})

    def work(self, name: str) -> WorkRow | None:
        """A work by its IRI or OpenAlex id, or None. Of several records of one IRI, the most cited."""
        if not self.exists:
            return None
        column = "openalex" if re.fullmatch("W[0-9]+", name) else "iri"
        with self._reading() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM work WHERE {column} = ? ORDER BY cited DESC, id LIMIT 1", (name,))  # noqa: S608
            return next(iter(_rows(rows)), None)

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

    def commonest(self, facet: str, most: int = 20, begins: str = "") -> list[FacetValue]:
        """The values of a facet that most works have; of those whose label begins so, where `begins` says how."""
        if not self.exists:
            return []
        query = (
            "SELECT facet, key, label, works FROM value WHERE facet = ? AND label LIKE ? ESCAPE '\\'"
            " ORDER BY works DESC, id LIMIT ?"
        )
        with self._reading() as db:
            pattern = re.sub(r"([%_\\])", r"\\\1", begins) + "%"
            return _by_facet(db.execute(query, (FACETS.index(facet), pattern, most))).get(facet, [])

    def named(self, facet: str, name: str) -> FacetValue | None:
        """The value of a facet with this key or, whatever its case, this label; of several the commonest."""
        if not self.exists:
            return None
        query = (
            "SELECT facet, key, label, works FROM value WHERE facet = ?1 AND (key = ?2 OR label = ?2 COLLATE NOCASE)"
            " ORDER BY key = ?2 DESC, works DESC LIMIT 1"
        )
        with self._reading() as db:
            return next(iter(_by_facet(db.execute(query, (FACETS.index(facet), name))).get(facet, [])), None)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                yield db
        except sqlite3.DatabaseError as error:
            remedy = "Build it anew: kgraph build --force"
            raise fail(f"the index of works cannot be read ({error})", remedy, file=self._path) from error

    def _all_facets(self, db: sqlite3.Connection, most: int) -> dict[str, list[FacetValue]]:
        query = "SELECT facet, key, label, works FROM value WHERE facet = ? ORDER BY works DESC, id LIMIT ?"
        found: dict[str, list[FacetValue]] = {}
        for facet in LISTED:
            found |= _by_facet(db.execute(query, (FACETS.index(facet), most)))
        return found

    def _facets(self, db: sqlite3.Connection, most: int) -> dict[str, list[FacetValue]]:
        """The commonest values of every facet among the works that are chosen."""
        query = (
            "SELECT value.facet, key, label, n FROM (SELECT value AS id, count(*) AS n FROM chosen CROSS JOIN has"
            " ON has.work = chosen.id AND has.facet = ? GROUP BY has.value ORDER BY n DESC, has.value LIMIT ?)"
            " JOIN value USING (id) ORDER BY n DESC, id"
        )
        found: dict[str, list[FacetValue]] = {}
        for facet in LISTED:
            found |= _by_facet(db.execute(query, (FACETS.index(facet), most)))
        return found


def _choose(db: sqlite3.Connection, wanted: Wanted) -> None:
    """Makes the table of the works that are wanted, with how well each fits the text (less is better)."""
    conditions, given = [], list[Any]()
    source, score = "work", "0"
    if wanted.text.strip():
        source, score = "words JOIN work ON work.id = words.rowid", "bm25(words, 4.0, 1.0)"
        conditions.append("words MATCH ?")
        given.append(expression(wanted.text))
    for facet, key in wanted.values:
        conditions.append("work.id IN (SELECT work FROM has WHERE value = (SELECT id FROM value WHERE facet = ? AND key = ?))")
        given += (FACETS.index(facet), key)
    for year, sign in ((wanted.since, ">="), (wanted.until, "<=")):
        if year is not None:
            conditions.append(f"year {sign} ?")
            given.append(year)
    for openalex, own, other in ((wanted.cites, "citing", "cited"), (wanted.cited_by, "cited", "citing")):
        if openalex:
            conditions.append(f"work.id IN (SELECT {own} FROM cites WHERE {other} = (SELECT id FROM work WHERE openalex = ?))")  # noqa: S608
            given.append(openalex)
    query = f"SELECT work.id AS id, {score} AS score FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608
    db.execute(f"CREATE TEMP TABLE chosen AS {query}", given)


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


def _listing(source: str, order: str) -> str:
    by = ORDERS[order if source != "work" or order != "relevance" else "cited"]
    return f"SELECT {_COLUMNS} FROM {source} ORDER BY {by} LIMIT ? OFFSET ?"  # noqa: S608


def _rows(rows: Iterable[Any]) -> list[WorkRow]:
    found = (dict(zip(_COLUMNS.split(", "), row, strict=True)) for row in rows)
    return [
        WorkRow(**one | {key: one[key] if one[key] is None else bool(one[key]) for key in ("open", "retracted")}) for one in found
    ]


def _by_facet(rows: Iterable[Any]) -> dict[str, list[FacetValue]]:
    found: dict[str, list[FacetValue]] = {}
    for facet, key, label, works in rows:
        found.setdefault(FACETS[facet], []).append(FacetValue(FACETS[facet], key, label, works))
    return found
