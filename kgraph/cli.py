"""The command line: what people type, and what they read in return.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgraph import (
    __version__,
    dump_commands,
    harvest_commands,
    snapshot_commands,
    study_commands,
    tag_commands,
    upkeep_commands,
    works_commands,
)
from kgraph.errors import KgraphError, fail
from kgraph.telling import json_errors

if TYPE_CHECKING:
    from kgraph.inference import Explanation
    from kgraph.snapshot import Snapshot

app = typer.Typer(
    help="kgraph: a knowledge graph of what studies say, every statement tied to the sentence it rests on.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(study_commands.app, name="study")
app.add_typer(harvest_commands.app, name="harvest")
app.add_typer(snapshot_commands.app, name="snapshots")
app.command("tag")(tag_commands.tag)
app.command()(works_commands.works)
app.command()(dump_commands.dump)
app.command()(upkeep_commands.doctor)
app.command()(upkeep_commands.backup)
app.command()(upkeep_commands.restore)

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
HERE = Path(".")


def main() -> None:
    """Runs the command line; a `KgraphError` is printed and ends with exit code 1."""
    try:
        app(prog_name="kgraph")
    except KgraphError as error:
        for problem in error.problems:
            print(f"{problem.severity}: {problem}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kgraph {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    example: Annotated[bool, typer.Option("--example", help="With the example study.")] = False,
) -> None:
    """Make a workspace."""
    from kgraph.workspace import create_workspace

    create_workspace(folder, example)
    print(f"Made the workspace {folder}. Next: kgraph build -w {folder}")


@app.command()
def build(
    workspace: Folder = HERE,
    force: Annotated[bool, typer.Option("--force", help="Build even when nothing changed.")] = False,
) -> None:
    """Build the graph from the sources and publish it."""
    from kgraph.build import build as build_workspace
    from kgraph.workspace import find_workspace

    built = build_workspace(find_workspace(workspace), print, force)
    if not built.built:
        print(f"Nothing changed: {built.version} is published already")


@app.command()
def check(
    workspace: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    reasoner: Annotated[bool, typer.Option(help="Run the OWL reasoner too (needs Java).")] = True,
) -> None:
    """Check the sources: schema, letters of every quotation, references, concepts, shapes, reasoner, competency questions."""
    from kgraph.check import check_workspace
    from kgraph.workspace import find_workspace

    with json_errors(as_json):
        report = check_workspace(find_workspace(workspace), with_reasoner=reasoner)
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False, indent=1))
    else:
        _print_table(("check", "result", "what was looked at"), [(r.name, r.result, r.looked_at) for r in report.results])
        for problem in report.problems:
            if problem.severity != "note":
                print(f"{problem.severity} [{problem.check}] {problem}")
        _print_gaps(report.gaps)
        if report.issues:
            print(f"The papers' own inconsistencies, kept as data issues and no fault of the data: {report.issues}")
        print("All is well" if report.ok else "Something is wrong: see above")
    if not report.ok:
        raise typer.Exit(1)


def _print_gaps(gaps: list[tuple[str, list[str], str]]) -> None:
    """The gaps that remain: under each its things, those of one kind together, wrapped to the width of the screen."""
    import shutil
    import textwrap

    width = min(shutil.get_terminal_size().columns, 120)
    for title, things, remedy in gaps:
        print(f"gap: {title} ({len(things)})")
        kinds: dict[str, list[str]] = {}
        for thing in things:
            cut = 1 + max(thing.split(" ", 1)[0].rfind("/"), thing.find(":"))
            kinds.setdefault(thing[:cut], []).append(thing[cut:])
        for kind, names in kinds.items():
            line = f"{kind}: {', '.join(names)}" if kind else ", ".join(names)
            print(
                textwrap.fill(
                    line.replace("::", ":"), width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
                )
            )
        print(f"  -> {remedy}")


@app.command()
def query(
    text: Annotated[str | None, typer.Argument(help="A SPARQL query, or the name of a packaged one.")] = None,
    workspace: Folder = HERE,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file with a SPARQL query.")] = None,
    param: Annotated[list[str] | None, typer.Option("-p", "--param", help="name=value, for a named query.")] = None,
    format_: Annotated[str, typer.Option("--format", help="table, csv, tsv, json, xml; turtle for graphs.")] = "table",
    names: Annotated[bool, typer.Option("--list", help="List the named queries.")] = False,
    restricted: Annotated[bool, typer.Option("--restricted", help="Ask the second store, with restricted things.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="That the answer may take.")] = 60,
) -> None:
    """Ask the published graph a question."""
    from kgraph import answers, queries, snapshot
    from kgraph.workspace import find_workspace

    if names:
        found = [query for kind in ("competency", "pages", "checks") for query in queries.load_queries(kind).values()]
        rows = [(query.kind, query.name, " ".join(query.parameters), query.header.get("question", "")) for query in found]
        _print_table(("kind", "name", "parameters", "question"), rows)
        return
    if (text is None) == (file is None):
        raise fail(
            "give one query", "kgraph query 'SELECT ...', kgraph query -f FILE.rq, or kgraph query NAME --param name=value"
        )
    with _stoppable(seconds):
        opener = snapshot.open_restricted if restricted else snapshot.open_published
        opened = opener(find_workspace(workspace))
        if text is not None and text.replace("-", "").isalnum():
            answer = answers.ask_named(opened, text, _parameters(param or []))
        else:
            if param:
                raise fail("parameters go with a named query", "kgraph query NAME --param name=value")
            answer = opened.query(text if text is not None else answers.read_query_file(file or Path()))
        answers.write(answer, format_, opened.base, sys.stdout.buffer)


@contextmanager
def _stoppable(seconds: float) -> Iterator[None]:
    """Ctrl-C, or so many seconds, end this process at once: while the engine evaluates, nothing less stops it."""
    import os
    import signal
    import threading

    def end() -> None:
        print(
            f"error: the answer took more than {seconds:g} s. Ask for less, or allow more: --seconds", file=sys.stderr, flush=True
        )
        os._exit(1)

    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


def _parameters(given: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    for name, equals, _ in pairs:
        if not equals:
            raise fail(f"{name!r} is no parameter", "Write --param name=value")
    return {name: value for name, _, value in pairs}


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(help="IRI, prefixed name (concept:hope) or path (study/fan-2024).")],
    predicate: Annotated[str, typer.Argument(help="Likewise: kg:reduces, a, ...")],
    object_: Annotated[str, typer.Argument(metavar="OBJECT", help="Likewise, or a literal as in Turtle: '\"text\"', 14.")],
    workspace: Folder = HERE,
) -> None:
    """Say why a triple holds: which graph states it, or by which rule it follows from which triples."""
    import pyoxigraph as ox

    from kgraph.inference import explain as explain_triple
    from kgraph.names import PREFIXES
    from kgraph.queries import to_iri, to_literal

    opened = _open(workspace)
    base = opened.base

    def term(text: str) -> ox.NamedNode | ox.Literal:
        if re.match(r"[\"']|[+-]?[0-9.]+$", text):
            return to_literal(text)
        return ox.NamedNode(PREFIXES["rdf"] + "type" if text == "a" else to_iri(text, base))

    s, p = term(subject), term(predicate)
    if isinstance(s, ox.Literal) or isinstance(p, ox.Literal):
        raise fail("subject and predicate are IRIs", "Write an IRI, a prefixed name or a path")
    found = explain_triple(opened.store, (s, p, term(object_)), ox.NamedNode(base + "graph/inferred"))
    if found is None:
        raise fail("the graph does not hold this triple", "See what it holds: kgraph query 'SELECT * { <IRI> ?p ?o }'")
    _print_explanation(found, base, 0)


def _print_explanation(explanation: "Explanation", base: str, depth: int) -> None:
    from kgraph.answers import shorten

    indent = "  " * depth
    print(indent + " ".join(shorten(term, base) for term in explanation.triple))
    if explanation.rule is None:
        print(f"{indent}  stated in {', '.join(graph.removeprefix(base) for graph in explanation.graphs)}")
        return
    print(f"{indent}  by the rule {explanation.rule.name}: {explanation.rule.says.get('en', '')} From:")
    for premise in explanation.premises:
        _print_explanation(premise, base, depth + 2)


@app.command()
def status(
    workspace: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say which snapshots there are, how old they are, and what they hold."""
    from kgraph.snapshot import list_snapshots
    from kgraph.workspace import find_workspace

    with json_errors(as_json):
        found = find_workspace(workspace)
        state = list_snapshots(found)
    if as_json:
        print(json.dumps(state, ensure_ascii=False, indent=1))
        return
    print(f"{state['name']} ({found.folder})")
    print(
        "Limits of queries to /sparql ([sparql] in kgraph.toml): "
        + ", ".join(f"{key} {n:,g}" for key, n in state["sparql"].items())
    )
    if not state["snapshots"]:
        print("Nothing is built yet. Next: kgraph build")
        return
    print("The sources are as published" if state["current"] else "The sources differ from what is published. Next: kgraph build")
    rows = [
        (
            "*" if item["published"] else "",
            item["version"],
            item["age"],
            " ".join(f"{kind} {n:,}" for kind, n in item["counts"].items()),
        )
        for item in state["snapshots"]
    ]
    _print_table(("", "version", "age", "holds"), rows)


@app.command()
def serve(
    files: Annotated[
        list[str] | None, typer.Argument(help="With --data: RDF files, or IRI=FILE for a graph of that name.")
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Serve RDF files instead of a workspace: /sparql alone.")] = False,
    workspace: Folder = HERE,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="The address to listen on; by default only this machine.")] = "127.0.0.1",
    server: Annotated[str | None, typer.Option(help="granian (the default on Linux), or waitress (elsewhere).")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="With granian; by default one a core, at most 4.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Requests answered at a time, a process; 16.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="That a query to /sparql may take; by default what kgraph.toml says, or 10.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="With --data: the IRI against which relative ones are resolved.")] = None,
) -> None:
    """Show the published graph as web pages, or any RDF files at a SPARQL endpoint."""
    import tempfile

    from kgraph.datafiles import BASE, load, parse_argument
    from kgraph.snapshot import open_published
    from kgraph.web.server import Serving, plan
    from kgraph.web.server import serve as serve_pages
    from kgraph.workspace import find_workspace

    if not data and (files or base):
        raise fail("files are served with --data", "kgraph serve --data FILE ...")
    if data and not files:
        raise fail("there is no file to serve", "kgraph serve --data FILE ...")
    how = plan(server, processes, threads)
    if not files:
        found = find_workspace(workspace)
        open_published(found)
        serve_pages(Serving(workspace=str(found.folder), seconds=seconds), host, port, how)
        return
    with tempfile.TemporaryDirectory(prefix="kgraph-data-") as folder:
        made = load([parse_argument(file) for file in files], Path(folder), base or BASE)
        print(f"Read {made.triples:,} triples into {len(made.graphs)} named graphs and the default graph", flush=True)
        serve_pages(Serving(data=folder, seconds=seconds), host, port, how)


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors."""
    from kgraph.study import json_schema

    print(json.dumps(json_schema(), ensure_ascii=False, indent=1))


def _open(workspace: Path) -> "Snapshot":
    from kgraph.snapshot import open_published
    from kgraph.workspace import find_workspace

    return open_published(find_workspace(workspace))


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from kgraph.answers import print_table

    print_table(header, rows, sys.stdout)
