"""Reads the tables of `ontology/tagging`: tab-separated, # for comments, the first other line names the columns."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kgraph.errors import fail


class Row(dict[str, str]):
    """A row by the names of its columns, which knows where it stands."""

    def __init__(self, values: dict[str, str], file: Path, line: int) -> None:
        super().__init__(values)
        self.file, self.line = file, line

    def choose(self, column: str, allowed: Sequence[str]) -> str:
        """The value of a column that allows only some. Raises `KgraphError` on another."""
        if self[column] not in allowed:
            raise fail(
                f"{self[column]!r} is not known",
                f"Write one of: {', '.join(allowed)}",
                file=self.file,
                line=self.line,
                field=column,
            )
        return self[column]

    def pattern(self, column: str) -> re.Pattern[str]:
        """The value of a column as a regular expression. Raises `KgraphError` when it is none."""
        try:
            return re.compile(self[column])
        except re.error as error:
            remedy = "Correct the regular expression"
            raise fail(f"{self[column]!r}: {error}", remedy, file=self.file, line=self.line, field=column) from error


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table that has these columns. Raises `KgraphError` with the line of what is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(
            f"cannot be read ({error})", "The tables of the tagger come with kgraph: install it anew", file=path
        ) from error
    header: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if not header:
            header = cells
            if header != list(columns):
                raise fail(f"the columns are {header}", f"Name them: {', '.join(columns)}", file=path, line=number)
            continue
        if len(cells) > len(header):
            raise fail(f"{len(cells)} cells", f"There are {len(header)} columns: {', '.join(header)}", file=path, line=number)
        yield Row(dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True)), path, number)
