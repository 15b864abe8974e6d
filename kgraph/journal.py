"""The pages of a harvest that is under way, each paid for once: from the journal where it holds them, else from OpenAlex.

A journal is a SQLite database, `.kgraph/harvests/<harvest>.sqlite`; a page lands in it whole or not at all, and survives a kill
and a power cut. It is deleted when the harvest is whole.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from kgraph.errors import fail
from kgraph.openalex import Answer, Client, batches, work_id
from kgraph.openalexerrors import BadRequest, NotFound, RepeatedCursor, UnknownForm
from kgraph.selection import one_line
from kgraph.works import Record
from kgraph.workterms import bare_doi

TABLES = """
    CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT);
    CREATE TABLE IF NOT EXISTS page (asked TEXT PRIMARY KEY, answer TEXT);
    CREATE TABLE IF NOT EXISTS work (id TEXT PRIMARY KEY, updated TEXT, line BLOB);
"""


@dataclass
class Page:
    """A page as it is remembered: the ids of its works, how many there are in all, the next cursor, its credits.

    `titles` are short records (id, doi, title) of a page of titles, which has no works.
    """

    ids: list[str]
    count: int
    cursor: str | None
    credits: int
    titles: list[Record] = field(default_factory=list)


class Journal:
    """The journal in a file, which is made if need be. Raises `KgraphError` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA synchronous = EXTRA")
            self._db.executescript(TABLES)

    def fact(self, name: str) -> Any:
        """What was noted under a name, or None."""
        row = self._row("SELECT value FROM fact WHERE name = ?", name)
        return row and json.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        """Notes a value, as JSON, under a name."""
        with self._told():
            self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(value)))

    def page(self, asked: str) -> Page | None:
        """The page that was got for this, or None."""
        row = self._row("SELECT answer FROM page WHERE asked = ?", asked)
        return Page(**json.loads(row[0])) if row else None

    def size(self) -> tuple[int, int]:
        """How many pages and works there are."""
        row = self._row("SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM work)")
        return int(row[0]), int(row[1])

    def keep(self, asked: str, page: Page, records: Iterable[Record]) -> None:
        """Keeps a page and its works; of a work that is there already, the newer."""
        rows = [(_id(record), str(record.get("updated_date") or ""), zlib.compress(one_line(record), 1)) for record in records]
        with self._told():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO page VALUES (?, ?)", (asked, json.dumps(asdict(page))))
                self._db.executemany(
                    "INSERT INTO work VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET updated = excluded.updated,"
                    " line = excluded.line WHERE excluded.updated >= updated",
                    rows,
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def lines(self, wanted: Callable[[str], bool]) -> Iterator[bytes]:
        """The works whose id is wanted, as lines, sorted by id."""
        with self._told():
            for identifier, line in self._db.execute("SELECT id, line FROM work ORDER BY id"):
                if wanted(identifier):
                    yield zlib.decompress(line)

    def works(self, ids: Iterable[str]) -> Iterator[Record]:
        """These works, in this order."""
        for identifier in ids:
            yield orjson.loads(zlib.decompress(self._row("SELECT line FROM work WHERE id = ?", identifier)[0]))

    def close(self) -> None:
        """Closes the file; what is in it stays."""
        self._db.close()

    def remove(self) -> None:
        """Closes and deletes the file."""
        self._db.close()
        self.path.unlink(missing_ok=True)

    def _row(self, query: str, *values: str) -> Any:
        with self._told():
            return self._db.execute(query, values).fetchone()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            remedy = "Free space, or allow writing there; then run the same command again: nothing is asked twice"
            raise fail(f"cannot be written ({error})", remedy, file=self.path) from error
        except sqlite3.Error as error:
            raise fail(f"is damaged ({error})", "Delete it: the harvest begins anew", file=self.path) from error


class Pages:
    """Asks for pages; those that the journal holds are not asked for again.

    `number` and `credits` are those of all pages that were used, `lists` of them pages of lists; `paid` are the credits of
    those that were asked for now. `notes` tells where what came is not what the service had said. `watch` is called after
    every page.
    """

    def __init__(self, client: Client, journal: Journal, watch: Callable[[], None]) -> None:
        self.client, self.journal, self.watch = client, journal, watch
        self.number = self.credits = self.paid = self.lists = 0
        self.notes: list[str] = []

    def of_list(self, filters: Sequence[str], search: str = "") -> Iterator[Page]:
        """The pages of a list, by cursor, to its end. Raises `OpenAlexError`, also where the cursors would go round in a ring."""
        cursor: str | None = "*"
        followed = {"*"}
        got: set[str] = set()
        answered = 0
        while cursor:
            page = self._of_cursor(filters, search, cursor, followed, answered)
            self.lists += 1
            yield page
            got.update(page.ids)
            answered += len(page.ids)
            cursor = page.cursor if page.ids and answered < page.count else None
            followed.add(cursor or "")
        if len(got) < page.count:
            self.notes.append(f"OpenAlex said that there are {page.count:,} works, and {len(got):,} came")

    def _of_cursor(self, filters: Sequence[str], search: str, cursor: str, followed: set[str], answered: int) -> Page:
        def ask() -> Answer:
            try:
                answer = self.client.page(filters, search, cursor)
            except BadRequest as error:
                if cursor == "*":
                    raise
                remedy = f"If this was begun long ago, it can begin anew: delete {self.journal.path}"
                raise BadRequest(error.problems[0].found, remedy) from error
            if answer.cursor in followed and answer.records and answered + len(answer.records) < answer.count:
                raise RepeatedCursor("OpenAlex names a next page that was there already, which would go on for ever")
            return answer

        return self._page({"filter": list(filters), "search": search, "cursor": cursor}, ask)

    def of_values(self, name: str, values: Sequence[str]) -> Iterator[Page]:
        """Pages with the works whose `name` (doi, openalex) is one of the values, in as few requests as can be.

        A value alone is asked for as a single work, which is free; where there is none, its page is empty.
        """
        for batch in batches(name, values):
            if len(batch) == 1:
                yield self.of_one(batch[0])
            else:
                yield from self.of_list([f"{name}:{'|'.join(batch)}"])

    def of_one(self, work: str) -> Page:
        """The page of a single work, by id or DOI; empty where there is none."""
        identifier = work_id(work) or f"doi:{work}"

        def ask() -> Answer:
            try:
                return self.client.work(identifier)
            except NotFound:
                return Answer([], 0, None, 0)

        return self._page({"work": identifier}, ask)

    def of_titles(self, beginning: str) -> Page:
        """The page of titles that begin like this."""
        return self._page({"titles": beginning}, lambda: self.client.titles(beginning), titles=True)

    def _page(self, asked: dict[str, Any], ask: Callable[[], Answer], titles: bool = False) -> Page:
        key = json.dumps(asked, sort_keys=True)
        page = self.journal.page(key)
        if page is None:
            answer = ask()
            page = Page([_id(record) for record in answer.records], answer.count, answer.cursor, answer.credits)
            if titles:
                page.titles = [
                    {
                        "id": _id(record),
                        "doi": bare_doi(record.get("external_id")),
                        "title": str(record.get("display_name") or ""),
                    }
                    for record in answer.records
                ]
            self.paid += page.credits
            self.journal.keep(key, page, [] if titles else answer.records)
        self.number += 1
        self.credits += page.credits
        self.watch()
        return page


def _id(record: Record) -> str:
    if found := work_id(str(record.get("id"))):
        return found
    raise UnknownForm(f"a work of the answer has no id ({str(record.get('id'))[:40]!r})")
