"""Works as columns of numbers: what counts the facets of any choice of works, and puts it in order, without a query for each.

A column is an array of numbers of 32 bits, kept in the table `columns` of the index: for each facet the numbers of works and,
beside each, of a value that it has; for each order the numbers of all works in it; and the year of each work.
"""

import sqlite3

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]
Mask = NDArray[np.bool_]  # by number of work, from 1; the first says nothing

FACETS = (
    "year", "type", "language", "access", "country", "concept", "topic", "author", "source", "retracted", "harvest", "named",
)  # fmt: skip
LISTED = ("year", "type", "language", "access", "country", "concept", "topic", "author", "source", "harvest", "retracted")
SORTS = {
    "cited": "cited DESC, id",
    "newest": "year DESC, cited DESC, id",
    "oldest": "year IS NULL, year, id",
    "inside": "inside DESC, cited DESC, id",
    "title": "title COLLATE NOCASE, id",
}


def write_columns(db: sqlite3.Connection) -> None:
    """Writes the columns of all works that an index holds, in place of those that are there."""
    found = np.fromiter(db.execute("SELECT work, facet, value FROM has"), dtype=np.dtype((np.int32, 3)))
    columns: dict[str, Numbers] = {}
    for facet in LISTED:
        rows = found[found[:, 1] == FACETS.index(facet)]
        columns |= {f"{facet} works": rows[:, 0], f"{facet} values": rows[:, 2]}
    for order, by in SORTS.items():
        columns[f"in order {order}"] = np.fromiter((row[0] for row in db.execute(f"SELECT id FROM work ORDER BY {by}")), np.int32)  # noqa: S608
    years = (row[0] or 0 for row in db.execute("SELECT year FROM work ORDER BY id"))
    columns["years"] = np.fromiter(years, np.int32)
    db.executemany("INSERT OR REPLACE INTO columns VALUES (?, ?)", [(name, one.tobytes()) for name, one in columns.items()])


class Columns:
    """The columns of an index. `number` is how many works there are, `years` the year of each, 0 where it is not known."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._columns = {
            name: np.frombuffer(numbers, np.int32) for name, numbers in db.execute("SELECT name, numbers FROM columns")
        }
        self.years = self._columns["years"]
        self.number = len(self.years)

    def none(self) -> Mask:
        """No work."""
        return np.zeros(self.number + 1, np.bool_)

    def all(self) -> Mask:
        """All works."""
        found = np.ones(self.number + 1, np.bool_)
        found[0] = False
        return found

    def since(self, year: int) -> Mask:
        """Works of a year or later."""
        return np.concatenate(([False], self.years >= year))

    def until(self, year: int) -> Mask:
        """Works of a year or earlier, as far as that is known."""
        return np.concatenate(([False], (self.years <= year) & (self.years > 0)))

    def ordered(self, mask: Mask, order: str) -> Numbers:
        """The works of a mask, in an order of `SORTS`."""
        numbers = self._columns[f"in order {order}"]
        found: Numbers = numbers[mask[numbers]]
        return found

    def count(self, mask: Mask, facet: str, most: int) -> list[tuple[int, int]]:
        """The values of a facet that most works of a mask have, and how many: the commonest first, of equals the earlier one."""
        works, values = self._columns[f"{facet} works"], self._columns[f"{facet} values"]
        counts = np.bincount(values[mask[works]])
        there = np.flatnonzero(counts)
        if len(there) > most:
            least = np.partition(counts[there], -most)[-most]
            there = there[counts[there] >= least]
        ranked = sorted(there.tolist(), key=lambda value: (-counts[value], value))
        return [(value, int(counts[value])) for value in ranked[:most]]
