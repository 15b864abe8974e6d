"""The index of works beside the store: what lists, facets, counts and searches of works need, in SQLite.

`index_entry` says what of a record the index holds; it is a pure function of one record, like the mapping. `IndexWriter` writes
entries, and at the end what pages show as numbers: nothing of that is counted while somebody waits. `kgraph.worklist` reads.

A paper is counted under a concept where it names it or a narrower one (the facet `concept`; what it names itself is `named`).
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from kgraph.workcolumns import FACETS, write_columns
from kgraph.workmapping import Record, openalex_iri, work_iri
from kgraph.workterms import NULL_AUTHOR, OPENALEX, abstract_words, clean, openalex_id

COLUMNS = ("openalex", "iri", "digest", "title", "authors", "year", "source", "type", "cited", "open", "retracted")
FILE = "works.sqlite"  # in the folder of a snapshot
SHOWN_AUTHORS = 3
MOST = 50  # values of a facet that are counted for a concept; years and concepts are counted all
WHOLE = ("year", "named")
COUNTED = ("year", "named", "author", "source", "topic", "country")  # what is counted for every concept
CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SCHEMA = """
PRAGMA page_size = 8192;
CREATE TABLE work (id INTEGER PRIMARY KEY, openalex TEXT NOT NULL UNIQUE, iri TEXT NOT NULL, digest BLOB NOT NULL,
  title TEXT NOT NULL, authors TEXT NOT NULL, year INTEGER, source TEXT NOT NULL, type TEXT NOT NULL, cited INTEGER, open INTEGER,
  retracted INTEGER NOT NULL, inside INTEGER NOT NULL DEFAULT 0);
CREATE INDEX work_iri ON work (iri);
CREATE TABLE value (id INTEGER PRIMARY KEY, facet INTEGER NOT NULL, key TEXT NOT NULL, label TEXT NOT NULL,
  works INTEGER NOT NULL DEFAULT 0, UNIQUE (facet, key));
CREATE TABLE has (work INTEGER NOT NULL, facet INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (work, facet, value))
  WITHOUT ROWID;
CREATE TABLE cites (citing INTEGER NOT NULL, cited INTEGER NOT NULL, PRIMARY KEY (citing, cited)) WITHOUT ROWID;
CREATE TABLE tally (concept INTEGER NOT NULL, facet INTEGER NOT NULL, works INTEGER NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (concept, facet, works DESC, value)) WITHOUT ROWID;
CREATE TABLE columns (name TEXT PRIMARY KEY, numbers BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (title, abstract, content = '', tokenize = 'porter unicode61 remove_diacritics 2');
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS has_value ON has (value, work);
CREATE INDEX IF NOT EXISTS cites_cited ON cites (cited);
CREATE INDEX IF NOT EXISTS value_works ON value (facet, works DESC);
"""

Value = tuple[str, str, str]  # facet, key, label


@dataclass(slots=True)
class Entry:
    """What the index holds of a work: `openalex` is W123, `references` are such ids too; `values` are facet, key and label."""

    openalex: str
    iri: str
    digest: bytes
    title: str
    abstract: str
    authors: str
    year: int | None
    source: str
    type: str
    cited: int | None
    open: bool | None
    retracted: bool
    values: list[Value]
    references: list[str] = field(default_factory=list)


def text_of(record: Record) -> tuple[str, str]:
    """Title and abstract of a record as the graph holds them; empty where there is none."""
    titles = (clean(title) for key in ("title", "display_name") if isinstance(title := record.get(key), str))
    return next(filter(None, titles), ""), clean(abstract_words(record.get("abstract_inverted_index")) or "")


def line_digest(line: bytes) -> bytes:
    """What tells one version of a record from another."""
    return blake2b(line, digest_size=12).digest()


def index_entry(record: Record, line: bytes, known: Mapping[str, str], concepts: Iterable[str] = ()) -> Entry:
    """The entry of a record, which was read from `line`. `known` is as for `map_work`; `concepts` are the slugs that it names."""
    base = openalex_iri(record)
    title, abstract = text_of(record)
    year, cited = record.get("publication_year"), record.get("cited_by_count")
    access = _dict(record.get("open_access")).get("is_oa")
    source = _dict(_dict(record.get("primary_location")).get("source"))
    values = [("named", concept, "") for concept in concepts]
    names, authors, countries = _people(record)
    values += [("author", key, label) for key, label in authors.items()]
    values += [("country", country, country) for country in countries]
    values += _things("topic", "T", [*_dicts(record.get("topics")), _dict(record.get("primary_topic"))])
    values += _things("source", "S", [source])
    known_year = year if type(year) is int and 0 < year < 10_000 else None
    kind = _text(record.get("type"))
    values += [(facet, key, key) for facet, key in (("type", kind), ("language", _text(record.get("language")))) if key]
    if known_year:
        values.append(("year", str(known_year), str(known_year)))
    if isinstance(access, bool):
        values.append(("access", "open" if access else "closed", ""))
    retracted = record.get("is_retracted") is True
    if retracted:
        values.append(("retracted", "yes", ""))
    references = record.get("referenced_works")
    ids = (openalex_id(one) for one in references) if isinstance(references, list) else ()
    return Entry(
        base.removeprefix(OPENALEX),
        known.get(base) or work_iri(record),
        line_digest(line),
        " ".join(title.split()),
        abstract,
        _joined(names),
        known_year,
        _text(source.get("display_name")),
        kind,
        cited if type(cited) is int and abs(cited) < 1 << 62 else None,
        access if isinstance(access, bool) else None,
        retracted,
        values,
        list(dict.fromkeys(one for one in ids if one)),
    )


def _people(record: Record) -> tuple[list[str], dict[str, str], list[str]]:
    """Of the authorships: names as printed, authors with an identifier and their names, countries."""
    names: list[str] = []
    authors: dict[str, str] = {}
    countries: dict[str, None] = {}
    for one in _dicts(record.get("authorships")):
        author = _dict(one.get("author"))
        label = _text(author.get("display_name"))
        names.append(_text(one.get("raw_author_name")) or label)
        key = openalex_id(author.get("id"), "A")
        if key and key != NULL_AUTHOR:
            authors.setdefault(key, label or names[-1])
        listed = one.get("countries")
        for country in listed if isinstance(listed, list) else ():
            if isinstance(country, str) and re.fullmatch("[A-Za-z]{2}", country):
                countries[country.upper()] = None
    return [name for name in names if name], authors, list(countries)


def _things(facet: str, letter: str, objects: Sequence[Mapping[str, Any]]) -> list[Value]:
    found = {key: _text(one.get("display_name")) for one in objects if (key := openalex_id(one.get("id"), letter))}
    return [(facet, key, label) for key, label in found.items()]


def _joined(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_AUTHORS]) + (" et al." if len(names) > SHOWN_AUTHORS else "")


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def spaced(text: str) -> str:
    """A text with every Chinese character as a word of its own, so that a phrase of characters is found as one of words."""
    return CHINESE.sub(r" \g<0> ", text) if not text.isascii() else text


class IndexWriter:
    """Writes entries into an index, a new one or one that exists already: `finish` it, and `close` it in any case.

    One thread at a time may use it.

    `broader` gives every concept (slug) all that stand above it.
    """

    def __init__(self, path: Path, broader: Mapping[str, Iterable[str]]) -> None:
        is_new = not path.exists()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
        if is_new:
            self._db.executescript(_SCHEMA)
        self._broader = {slug: frozenset(above) for slug, above in broader.items()}
        self._values: dict[tuple[str, str], int] = {
            (FACETS[facet], key): number for number, facet, key in self._db.execute("SELECT id, facet, key FROM value")
        }
        self.ids: dict[str, int] = dict(self._db.execute("SELECT openalex, id FROM work"))
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Closes the file. What was written is kept if `finish` was called."""
        self._db.close()

    def digest(self, openalex: str) -> bytes:
        """The digest of the line that a work which is there was read from."""
        row = self._db.execute("SELECT digest FROM work WHERE id = ?", (self.ids[openalex],)).fetchone()
        return bytes(row[0])

    def iris(self) -> dict[str, str]:
        """The IRIs of the works that are there and have another than their OpenAlex one, by that one."""
        rows = self._db.execute("SELECT ? || openalex, iri FROM work WHERE iri != ? || openalex", (OPENALEX, OPENALEX))
        return dict(rows)

    def holds(self, iri: str) -> bool:
        """Whether a work of this IRI is there."""
        return bool(self._db.execute("SELECT 1 FROM work WHERE iri = ?", (iri,)).fetchone())

    def is_in(self, openalex: str, harvest: str) -> bool:
        """Whether a work that is there is one of a harvest."""
        row = (self.ids[openalex], FACETS.index("harvest"), self._values.get(("harvest", harvest), 0))
        return bool(self._db.execute("SELECT 1 FROM has WHERE work = ? AND facet = ? AND value = ?", row).fetchone())

    def works_of(self, harvest: str) -> int:
        """How many works of a harvest are there."""
        found = self._values.get(("harvest", harvest), 0)
        return int(self._db.execute("SELECT count(*) FROM has WHERE value = ?", (found,)).fetchone()[0])

    def expect(self, openalex: str) -> None:
        """Tells of a work that will be added: others may cite it before it comes."""
        self.ids.setdefault(openalex, len(self.ids) + 1)

    def add(self, entries: Iterable[Entry], harvests: Mapping[str, Iterable[str]]) -> None:
        """Adds works that were expected; what they cite is linked where that is there or expected. `harvests`: by OpenAlex id."""
        works, values, cites, words = [], list[tuple[int, int, int]](), list[tuple[int, int]](), []
        for entry in entries:
            number = self.ids[entry.openalex]
            works.append((number, *(getattr(entry, column) for column in COLUMNS)))
            words.append((number, spaced(entry.title), spaced(entry.abstract)))
            listed = (("harvest", name, name) for name in harvests[entry.openalex])
            values += self._rows(number, [*entry.values, *self._above(entry.values), *listed])
            cited = {self.ids[one] for one in entry.references if one in self.ids and one != entry.openalex}
            cites += ((number, one) for one in sorted(cited))
        self._db.executemany(f"INSERT INTO work VALUES ({'?, ' * (len(COLUMNS) + 1)}0)", works)  # noqa: S608
        self._db.executemany("INSERT OR IGNORE INTO has VALUES (?, ?, ?)", values)
        self._db.executemany("INSERT OR IGNORE INTO cites VALUES (?, ?)", cites)
        self._db.executemany("INSERT INTO words (rowid, title, abstract) VALUES (?, ?, ?)", words)

    def add_harvest(self, openalex: str, harvest: str) -> str:
        """Notes that a further harvest holds a work that is there; gives the IRI of the work."""
        rows = self._rows(self.ids[openalex], [("harvest", harvest, harvest)])
        self._db.executemany("INSERT OR IGNORE INTO has VALUES (?, ?, ?)", rows)
        row = self._db.execute("SELECT iri FROM work WHERE id = ?", (self.ids[openalex],)).fetchone()
        return str(row[0])

    def add_citation(self, citing: str, cited: str) -> None:
        """Notes that the work of an IRI cites one that was not there when it was added."""
        self._db.execute(
            "INSERT OR IGNORE INTO cites SELECT id, ? FROM work WHERE iri = ? AND id != ?",
            (self.ids[cited], citing, self.ids[cited]),
        )

    def _rows(self, number: int, values: Iterable[Value]) -> list[tuple[int, int, int]]:
        return sorted({(number, FACETS.index(facet), self._value(facet, key, label)) for facet, key, label in values})

    def _above(self, values: Iterable[Value]) -> Iterator[Value]:
        for facet, key, _ in values:
            if facet == "named":
                yield ("concept", key, "")
                yield from (("concept", slug, "") for slug in self._broader.get(key, ()))

    def _value(self, facet: str, key: str, label: str) -> int:
        found = self._values.get((facet, key))
        if found is None:
            found = self._values[facet, key] = len(self._values) + 1
            row = (found, FACETS.index(facet), key, label)
            self._db.execute("INSERT INTO value (id, facet, key, label) VALUES (?, ?, ?, ?)", row)
        return found

    def finish(self) -> None:
        """Counts what pages show as numbers."""
        self._db.executescript(_INDEXES)
        self._db.executescript(
            "UPDATE value SET works = counted.n FROM (SELECT value, count(*) AS n FROM has GROUP BY value) AS counted"
            " WHERE counted.value = value.id;"
            "UPDATE work SET inside = counted.n FROM (SELECT cited, count(*) AS n FROM cites GROUP BY cited) AS counted"
            " WHERE counted.cited = work.id;"
            "DELETE FROM tally; BEGIN;"
        )
        concepts = self._db.execute("SELECT id, key FROM value WHERE facet = ?", (FACETS.index("concept"),)).fetchall()
        for number, slug in concepts:
            for facet in COUNTED:
                self._count(number, slug, facet)
        write_columns(self._db)
        self._db.execute("INSERT INTO words (words) VALUES ('optimize')")
        self._db.execute("ANALYZE")
        self._db.execute("COMMIT")

    def _count(self, concept: int, slug: str, facet: str) -> None:
        """How many works of a concept have each value of a facet. Of concepts, those above and below it are left out: they are
        there with it by definition."""
        found = self._db.execute(
            "SELECT other.value, count(*) AS n FROM has JOIN has AS other ON other.work = has.work AND other.facet = ?"
            " WHERE has.value = ? GROUP BY other.value ORDER BY n DESC, other.value LIMIT ?",
            (FACETS.index(facet), concept, -1 if facet in WHOLE else MOST),
        )
        rows = [(concept, FACETS.index(facet), number, value) for value, number in found]
        if facet == "named":
            above = {slug, *self._broader.get(slug, ())}
            kin = {self._values.get(("named", other)) for other in above}
            kin |= {self._values.get(("named", other)) for other, over in self._broader.items() if slug in over}
            rows = [row for row in rows if row[3] not in kin]
        self._db.executemany("INSERT INTO tally VALUES (?, ?, ?, ?)", rows)
