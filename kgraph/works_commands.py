"""`kgraph works`: list, filter and count the works of the published graph.

Imports that cost time stand in the functions, so that `kgraph --help` stays quick.
"""

import re
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgraph.errors import fail

if TYPE_CHECKING:
    from kgraph.worklist import Wanted, WorkIndex

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
Several = list[str] | None
SHORT = ("openalex", "year", "title", "authors", "cited", "inside")  # of a table for people


def works(
    text: Annotated[str | None, typer.Argument(help="Words of titles and abstracts; all must be there.")] = None,
    workspace: Folder = Path("."),
    concept: Annotated[Several, typer.Option(help="A concept that is named, or a narrower one; several: all of them.")] = None,
    author: Annotated[Several, typer.Option(help="An author: name or OpenAlex id.")] = None,
    topic: Annotated[Several, typer.Option(help="A topic of OpenAlex: name or id.")] = None,
    source: Annotated[str | None, typer.Option(help="A journal or other source: name or id.")] = None,
    country: Annotated[Several, typer.Option(help="A country of an author: CN.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="article, review, preprint, ...")] = None,
    language: Annotated[str | None, typer.Option(help="en, zh, ...")] = None,
    access: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    harvest: Annotated[str | None, typer.Option(help="A harvest that holds it.")] = None,
    retracted: Annotated[bool, typer.Option("--retracted", help="Only retracted works.")] = False,
    year: Annotated[str | None, typer.Option(help="2019, 2015-2020, 2015- or -2014.")] = None,
    cites: Annotated[str | None, typer.Option(help="Works that cite this one: DOI or OpenAlex id.")] = None,
    cited_by: Annotated[str | None, typer.Option(help="Works that this one cites.")] = None,
    order: Annotated[str | None, typer.Option(help="relevance, cited, newest, oldest, inside (citations here), title.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0: all.")] = 50,
    facet: Annotated[str | None, typer.Option(help="Count them by year, type, concept, topic, ... instead.")] = None,
    format_: Annotated[str, typer.Option("--format", help="table, csv, json, ids.")] = "table",
) -> None:
    """List the works of the graph, or count them by a facet."""
    from kgraph.answers import check_concept
    from kgraph.snapshot import open_published
    from kgraph.workcolumns import LISTED
    from kgraph.workindex import FILE
    from kgraph.worklist import WorkIndex, WorkRow
    from kgraph.workspace import find_workspace

    if format_ not in WRITERS:
        raise fail(f"there is no format {format_!r}", f"Use one of: {' '.join(WRITERS)}")
    if facet is not None and facet not in LISTED:
        raise fail(f"there is no facet {facet!r}", f"There are: {', '.join(LISTED)}")
    opened = open_published(find_workspace(workspace))
    index = WorkIndex(opened.folder / FILE)
    if not index.exists:
        raise fail("the graph has no works yet", "Harvest some, then build: kgraph harvest references STUDY; kgraph build")
    given: dict[str, Any] = {
        "concept": concept, "author": author, "topic": topic, "source": source, "country": country, "type": type_,
        "language": language, "access": access, "harvest": harvest, "retracted": "yes" if retracted else None,
    }  # fmt: skip
    for name in concept or ():
        check_concept(opened, name)
    wanted = _wanted(index, text or "", given, year, cites, cited_by)
    most = limit or sys.maxsize
    found = index.find(wanted, order or "", limit=0 if facet else most, facets=most if facet else 0)
    if facet:
        rows = [{facet: one.label or one.key, "key": one.key, "works": one.works} for one in found.facets.get(facet, [])]
        WRITERS[format_](rows, (facet, "key", "works"), (facet, "key", "works"))
    else:
        rows = [asdict(work) for work in found.works]
        WRITERS[format_](rows, tuple(one.name for one in fields(WorkRow)), SHORT)
    if format_ == "table":
        print(
            f"{found.number:,} work{'s' * (found.number != 1)}"
            + (f", of which these are the first {limit}" if not facet and 0 < limit < found.number else "")
        )


def _wanted(
    index: "WorkIndex", text: str, given: dict[str, Any], year: str | None, cites: str | None, cited_by: str | None
) -> "Wanted":
    """What is wanted, each value by its key. Raises `KgraphError` for what the index does not know, with what is near."""
    from kgraph.worklist import Wanted

    values = []
    for facet, names in given.items():
        for name in names if isinstance(names, list) else [names] if names else []:
            values.append((facet, _key(index, facet, name)))
    since, until = _years(year)
    return Wanted(text, tuple(values), since, until, _work(index, cites), _work(index, cited_by))


def _key(index: "WorkIndex", facet: str, name: str) -> str:
    from kgraph.validation import nearest

    if facet in ("concept", "retracted"):
        return name  # there is such a thing, whether or not a work has it
    name = name.upper() if facet == "country" else name
    found = index.named(facet, name)
    if found is None:
        known = [one.label or one.key for one in index.commonest(facet, 2000)]
        few = f"The commonest: {', '.join(known[:5])}" if known else "None has any"
        raise fail(f"no work has the {facet} {name!r}", nearest(name, known) or few)
    return found.key


def _years(text: str | None) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"(\d{4})?(-?)(\d{4})?", text or "")
    if match is None or text == "-" or (match[3] and not match[2]):
        raise fail(f"{text!r} is no year and no span of years", "Write 2019, 2015-2020, 2015- or -2014", field="--year")
    since, until = (int(part) if part else None for part in (match[1], match[3] if match[2] else match[1]))
    if since and until and since > until:
        raise fail(f"{text!r} ends before it begins", f"Write {until}-{since}", field="--year")
    return since, until


def _work(index: "WorkIndex", name: str | None) -> str:
    if not name:
        return ""
    found = index.work(name)
    if found is None:
        raise fail(f"the graph has no work {name!r}", "Name a DOI or an OpenAlex id of a work that was harvested")
    return found.openalex


def _write_table(rows: list[dict[str, Any]], _: tuple[str, ...], short: tuple[str, ...]) -> None:
    from kgraph.answers import print_table

    print_table(short, [tuple("" if row[name] is None else str(row[name]) for name in short) for row in rows], sys.stdout)


def _write_csv(rows: list[dict[str, Any]], columns: tuple[str, ...], _: tuple[str, ...]) -> None:
    import csv

    from kgraph.queries import plain_cell

    writer = csv.DictWriter(sys.stdout, columns)
    writer.writeheader()
    writer.writerows({name: plain_cell(value) for name, value in row.items()} for row in rows)


def _write_json(rows: list[dict[str, Any]], _: tuple[str, ...], __: tuple[str, ...]) -> None:
    import json

    print(json.dumps(rows, ensure_ascii=False, indent=1))


def _write_ids(rows: list[dict[str, Any]], _: tuple[str, ...], __: tuple[str, ...]) -> None:
    for row in rows:
        print(row["openalex"] if "openalex" in row else row["key"])


WRITERS = {"table": _write_table, "csv": _write_csv, "json": _write_json, "ids": _write_ids}
