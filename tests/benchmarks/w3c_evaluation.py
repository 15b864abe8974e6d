"""Runs the W3C's tests of SPARQL queries through kgraph and through pyoxigraph alone, and says where kgraph is worse.

    .venv/bin/python tests/benchmarks/w3c_evaluation.py FOLDER...          of a copy of w3c/rdf-tests: rdf-tests/sparql/sparql11
    .venv/bin/python tests/benchmarks/w3c_evaluation.py FOLDER --all       with each test that fails in either

FOLDER has manifest-all.ttl, manifest.ttl or manifest-evaluation.ttl and manifest-syntax.ttl. The tests are on
https://github.com/w3c/rdf-tests and in the source package of rdflib on PyPI (test/data/suites/w3c).

kgraph is asked as its endpoint is (`kgraph.protocol`: a request in, a response out), evaluated in this process. A request names
the data set of its test by the protocol (default-graph-uri, named-graph-uri), for without that the default graph of an endpoint
is all graphs together. Left out: updates, entailment, and tests that need other servers (SERVICE), which kgraph refuses; tests of
syntax that have SERVICE in them are counted apart. Solutions are compared as multisets with blank nodes mapped, graphs by
isomorphism, numbers and times by their values, for both alike.
"""

import argparse
import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import pyoxigraph as ox
from rdflib import RDF, BNode, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.compare import isomorphic

from kgraph.evaluate import answer
from kgraph.protocol import QUERY, Protocol, Request, Target
from kgraph.settings import SparqlLimits
from kgraph.stores import EmbeddedStore

MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
QT = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-query#")
RS = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/result-set#")
XSD = "http://www.w3.org/2001/XMLSchema#"
EVALUATION = MF.QueryEvaluationTest, MF.CSVResultFormatTest
POSITIVE = MF.PositiveSyntaxTest, MF.PositiveSyntaxTest11
NEGATIVE = MF.NegativeSyntaxTest, MF.NegativeSyntaxTest11
MANIFESTS = "manifest-all.ttl", "manifest.ttl", "manifest-evaluation.ttl", "manifest-syntax.ttl"
LEFT_OUT = "entailment", "service", "protocol", "service-description", "http-rdf-update"
FORMATS = {"srx": ox.QueryResultsFormat.XML, "srj": ox.QueryResultsFormat.JSON, "tsv": ox.QueryResultsFormat.TSV}
MEDIA = {"srx": "application/sparql-results+xml", "csv": "text/csv", "tsv": "text/tab-separated-values"}
RDF_FORMATS = {"ttl": "turtle", "rdf": "xml", "nt": "nt"}
WELL_FORMED = "the query cannot be answered", "there is no graph"  # what kgraph says of queries that it has parsed
DEFAULT = "?default"  # after the name of a file: the graph that is the default one, whose blank nodes are its own
_FROM = re.compile(r"\bFROM\s+(NAMED\s+)?<([^>]*)>", re.IGNORECASE)
Term = tuple[str, ...] | None  # as it is compared
Rows = list[dict[str, Term]]


@dataclass(frozen=True)
class Case:
    """A test: its place, what kind it is, its query, data, and the file of the result."""

    name: str
    kind: str  # evaluation, positive or negative
    query: Path
    data: tuple[Path, ...] = ()
    named: tuple[Path, ...] = ()
    result: Path | None = None


@dataclass
class Outcome:
    """What came of a test: whether it passed, and if not why."""

    passed: bool
    reason: str = ""


@dataclass
class Count:
    """Tests that passed, of so many."""

    kgraph: int = 0
    pyoxigraph: int = 0
    tests: int = 0
    refused: int = 0
    worse: list[str] = field(default_factory=list)


class Wrong(Exception):
    """A result that is not the one wanted."""


def path_of(iri: Any) -> Path:
    """The file that an address names."""
    return Path(unquote(urlsplit(str(iri)).path))


def cases(folder: Path) -> Iterator[Case]:
    """The tests of a folder and of the manifests that it includes."""
    seen: set[Path] = set()
    for name in MANIFESTS:
        if (folder / name).is_file():
            yield from _cases(folder / name, seen)
            if name == MANIFESTS[0]:
                return


def _cases(manifest: Path, seen: set[Path]) -> Iterator[Case]:
    manifest = manifest.resolve()
    if manifest in seen or manifest.parent.name in LEFT_OUT or not manifest.is_file():
        return
    seen.add(manifest)
    graph = Graph().parse(manifest, format="turtle", publicID=manifest.as_uri())
    for _, included in graph.subject_objects(MF.include):
        for one in Collection(graph, included):
            yield from _cases(path_of(one), seen)
    for _, entries in graph.subject_objects(MF.entries):
        for test in Collection(graph, entries):
            if case := _case(graph, test, manifest.parent.name):
                yield case


def _case(graph: Graph, test: Any, folder: str) -> Case | None:
    kinds, action = set(graph.objects(test, RDF.type)), graph.value(test, MF.action)
    name = f"{folder}: {graph.value(test, MF.name) or test}"
    for kind, known in (("evaluation", EVALUATION), ("positive", POSITIVE), ("negative", NEGATIVE)):
        if kinds.isdisjoint(known):
            continue
        if kind != "evaluation":
            return Case(name, kind, path_of(action))
        data, named = (tuple(map(path_of, graph.objects(action, what))) for what in (QT.data, QT.graphData))
        result = graph.value(test, MF.result)
        return Case(name, kind, path_of(graph.value(action, QT.query)), data, named, path_of(result) if result else None)
    return None


def load(store: ox.Store, file: Path, graph: str = "") -> None:
    """Reads a file into the default graph, or into one of a name."""
    form = {"rdf": ox.RdfFormat.RDF_XML, "nt": ox.RdfFormat.N_TRIPLES}.get(file.suffix[1:], ox.RdfFormat.TURTLE)
    store.load(path=file, format=form, base_iri=file.as_uri(), to_graph=ox.NamedNode(graph) if graph else None)


def named_by_query(case: Case) -> list[Path]:
    """The files that a query names by FROM."""
    found = _FROM.findall(case.query.read_text(encoding="utf-8"))
    return [path for _, iri in found if (path := (case.query.parent / path_of(iri)).resolve()).is_file()]


def ask_pyoxigraph(case: Case, form: str) -> tuple[str, bytes]:
    """What pyoxigraph answers: a kind (`rows` or `graph`) and bytes in a format. Raises what it raises."""
    store, asked = ox.Store(), named_by_query(case)
    for file in case.data:
        load(store, file)
    for file in dict.fromkeys([*case.named, *asked]):
        load(store, file, file.as_uri())
    found = store.query(case.query.read_text(encoding="utf-8"), base_iri=case.query.as_uri())
    if isinstance(found, ox.QueryTriples):
        return "graph", ox.serialize(found, format=ox.RdfFormat.N_TRIPLES) or b""
    written = {"csv": ox.QueryResultsFormat.CSV, **FORMATS}[form]
    return "rows", found.serialize(format=written) or b""


def ask_kgraph(case: Case, form: str) -> tuple[str, bytes]:
    """What kgraph answers. Raises `Wrong` for an error."""
    store, asked = ox.Store(), named_by_query(case)
    for file in case.data:
        load(store, file, file.as_uri() + DEFAULT)
    for file in dict.fromkeys([*case.named, *asked]):
        load(store, file, file.as_uri())
    graph = EmbeddedStore(store)
    target = Target("test", case.query.as_uri(), frozenset(one.value for one in graph.graphs()), graph=graph)
    protocol = Protocol(
        lambda version: target, lambda target, question: answer(graph, question), lambda *_: b"", SparqlLimits(nesting=1000)
    )
    pairs = [("default-graph-uri", file.as_uri() + DEFAULT) for file in case.data]
    pairs += [("named-graph-uri", file.as_uri()) for file in case.named]
    accept = f"{MEDIA.get(form, 'application/sparql-results+json')}, application/n-triples;q=0.5"
    string, body = urlencode([] if asked else pairs), case.query.read_bytes()
    response = protocol.respond(Request("POST", string, content_type=QUERY, accept=accept, body=body))
    told = response.body.decode(errors="replace")
    if response.status != 200:
        raise Wrong(f"{response.status}: {' '.join(told.split())[:200]}")
    return "graph" if dict(response.headers)["Content-Type"].startswith("application/n-triples") else "rows", response.body


def term_of(term: Any) -> Term:
    """A term as it is compared, from pyoxigraph or rdflib: numbers and times by their values."""
    if term is None:
        return None
    if isinstance(term, ox.BlankNode | BNode):
        return "bnode", term.value if isinstance(term, ox.BlankNode) else str(term)
    if isinstance(term, ox.NamedNode | URIRef):
        return "iri", term.value if isinstance(term, ox.NamedNode) else str(term)
    if isinstance(term, ox.Literal):
        text, language, datatype = term.value, term.language, term.datatype.value
    else:
        text, language, datatype = str(term), term.language, str(term.datatype or f"{XSD}string")
    if language:
        return "literal", text, language.lower()
    return "literal", _canonical(text, datatype), datatype


def _canonical(text: str, datatype: str) -> str:
    kind = datatype.removeprefix(XSD)
    try:
        if kind in ("double", "float"):
            return repr(float(text))
        if kind == "decimal":
            return f"{float(text):.12g}"
        if kind.lower().endswith(("integer", "int", "long", "short", "byte")):
            return str(int(text))
    except ValueError:
        return text
    if kind == "boolean":
        return {"1": "true", "0": "false"}.get(text, text)
    return re.sub(r"\+00:00$", "Z", re.sub(r"(\.\d*?)0+(?=Z|[+-]|$)", r"\1", text)) if kind == "dateTime" else text


def read_rows(body: bytes, form: str) -> bool | Rows:
    """Rows, or yes and no, from one of the formats of results."""
    if form == "csv":
        header, *lines = csv.reader(io.StringIO(body.decode(), newline=""))
        return [
            {name: _cell(text) for name, text in zip(header, line, strict=True)} for line in lines if line or len(header) == 1
        ]
    found = ox.parse_query_results(body, format=FORMATS[form])
    if isinstance(found, ox.QueryBoolean):
        return bool(found)
    names = [variable.value for variable in found.variables]
    return [{name: term_of(row[name]) for name in names if row[name] is not None} for row in found]


def _cell(text: str) -> Term:
    if text.startswith("_:"):
        return "bnode", text
    try:
        return "text", repr(float(text))
    except ValueError:
        return "text", text


def read_result(file: Path) -> bool | Rows | Graph:
    """The result that is wanted."""
    form = file.suffix[1:]
    if form in FORMATS or form == "csv":
        return read_rows(file.read_bytes(), form)
    graph = Graph().parse(file, format=RDF_FORMATS[form], publicID=file.as_uri())
    told = graph.value(None, RDF.type, RS.ResultSet)
    if told is None:
        return graph
    if (yes := graph.value(told, RS.boolean)) is not None:
        return bool(yes.toPython()) if isinstance(yes, Literal) else False
    rows: Rows = []
    for solution in graph.objects(told, RS.solution):
        bindings = list(graph.objects(solution, RS.binding))
        rows.append({str(graph.value(one, RS.variable)): term_of(graph.value(one, RS.value)) for one in bindings})
    return rows


def same_rows(first: Rows, second: Rows) -> bool:
    """Whether two multisets of rows are the same but for the names of blank nodes."""
    if len(first) != len(second):
        return False
    return _mapped(sorted(first, key=_blanks), second, {}, {})


def _blanks(row: dict[str, Term]) -> tuple[int, str]:
    return sum(term is not None and term[0] == "bnode" for term in row.values()), repr(sorted(row.items(), key=str))


def _mapped(rows: Rows, others: Rows, there: dict[str, str], back: dict[str, str]) -> bool:
    if not rows:
        return True
    row = {name: term for name, term in rows[0].items() if term is not None}
    tried = Counter[str]()
    for at, other in enumerate(others):
        wanted = {name: term for name, term in other.items() if term is not None}
        if row.keys() != wanted.keys() or tried[repr(wanted)]:
            continue
        tried[repr(wanted)] += 1
        now, then = dict(there), dict(back)
        for name, term in row.items():
            match = wanted[name]
            if term[0] == "bnode" and match[0] == "bnode":
                if now.setdefault(term[1], match[1]) != match[1] or then.setdefault(match[1], term[1]) != term[1]:
                    break
            elif term != match:
                break
        else:
            if _mapped(rows[1:], others[:at] + others[at + 1 :], now, then):
                return True
    return False


def canonical(graph: Graph) -> Graph:
    """A graph whose literals are written as they are compared."""
    found = Graph()
    for subject, predicate, object in graph:
        if isinstance(object, Literal) and object.datatype:
            object = Literal(_canonical(str(object), str(object.datatype)), datatype=object.datatype, normalize=False)
        found.add((subject, predicate, object))
    return found


def evaluate(case: Case, ask: Callable[[Case, str], tuple[str, bytes]]) -> Outcome:
    """Runs a test of evaluation."""
    assert case.result
    form = case.result.suffix[1:] if case.result.suffix[1:] in ("csv", "tsv", "srj") else "srx"
    try:
        kind, body = ask(case, form)
        wanted = read_result(case.result)
        if isinstance(wanted, Graph):
            if kind != "graph":
                raise Wrong("rows, where a graph is wanted")
            same = isomorphic(canonical(Graph().parse(data=body, format="nt")), canonical(wanted))
        else:
            if kind != "rows":
                raise Wrong("a graph, where rows are wanted")
            found = read_rows(body, form)
            same = found == wanted if isinstance(found, bool) or isinstance(wanted, bool) else same_rows(found, wanted)
    except (SyntaxError, ValueError, OSError, Wrong) as error:
        return Outcome(False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Outcome(same, "" if same else "another result")


def check_syntax(case: Case, ask: Callable[[Case, str], tuple[str, bytes]]) -> Outcome:
    """Runs a test of syntax."""
    try:
        ask(case, "srj")
        refused = ""
    except SyntaxError as error:
        refused = f"400: {error}"
    except (ValueError, OSError, RuntimeError, Wrong) as error:
        refused = str(error)
    is_error = refused.startswith(("400", "403")) and not any(told in refused for told in WELL_FORMED)
    return Outcome(is_error == (case.kind == "negative"), refused or "is taken")


def main() -> None:
    """Prints what passes in both."""
    parser = argparse.ArgumentParser(description="Runs W3C tests of SPARQL queries.")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--all", action="store_true", help="tell of every test that fails in either")
    asked = parser.parse_args()
    counts = {kind: Count() for kind in ("evaluation", "syntax")}
    failed: list[str] = []
    for case in (case for folder in asked.folders for case in cases(folder)):
        run = evaluate if case.kind == "evaluation" else check_syntax
        count = counts["evaluation" if case.kind == "evaluation" else "syntax"]
        try:
            ours, theirs = run(case, ask_kgraph), run(case, ask_pyoxigraph)
        except FileNotFoundError as error:
            raise SystemExit(f"{case.name}: {error.filename} is not there") from error
        count.tests += 1
        count.kgraph += ours.passed
        count.pyoxigraph += theirs.passed
        if theirs.passed and not ours.passed:
            if ours.reason.startswith("403") and re.search(r"\bSERVICE\b", case.query.read_text(encoding="utf-8")):
                count.refused += 1
            else:
                count.worse.append(f"{case.name}: {ours.reason}")
        if not (ours.passed and theirs.passed):
            failed.append(f"{case.name}: kgraph {ours.reason or 'passes'}; pyoxigraph {theirs.reason or 'passes'}")
    print("| tests | number | kgraph | pyoxigraph | refused for SERVICE | worse |\n|---|---|---|---|---|---|")
    for kind, one in counts.items():
        print(f"| {kind} | {one.tests} | {one.kgraph} | {one.pyoxigraph} | {one.refused} | {len(one.worse)} |")
    worse = [line for one in counts.values() for line in one.worse]
    print("\n".join(["", *(f"- worse: {line}" for line in worse), *(f"- {line}" for line in failed if asked.all)]))
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
