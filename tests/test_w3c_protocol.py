"""The cases of the W3C for the SPARQL protocol, over HTTP: those for queries pass, updates are refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import rdflib
from rdflib.collection import Collection
from rdflib.namespace import RDFS

from httpserving import Answered, send, serving
from kgraph.datafiles import DataFile, load
from kgraph.settings import SparqlLimits

HERE = Path(__file__).parent / "data" / "w3c" / "protocol"
MF = rdflib.Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
HT = rdflib.Namespace("http://www.w3.org/2011/http#")
CNT = rdflib.Namespace("http://www.w3.org/2011/content#")
UT = rdflib.Namespace("http://www.w3.org/2009/sparql/tests/test-update#")
MANIFEST = rdflib.Graph().parse(HERE / "manifest.ttl")
CASES = {
    str(case).rsplit("#", 1)[-1]: case for entries in MANIFEST.objects(None, MF.entries) for case in Collection(MANIFEST, entries)
}
TABULAR = ("application/sparql-results+json", "application/sparql-results+xml", "text/csv", "text/tab-separated-values")
GRAPH = ("text/turtle", "application/n-triples", "application/rdf+xml")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from kgraph.web.app import create_data_app

    named = {
        (str(MANIFEST.value(data, UT.graph)), str(MANIFEST.value(data, RDFS.label)))
        for data in MANIFEST.objects(None, UT.graphData)
    }
    files = [DataFile(HERE / Path(file).name, graph) for file, graph in sorted(named) if (HERE / Path(file).name).exists()]
    assert len(files) >= 3
    folder = tmp_path_factory.mktemp("w3c")
    load(files, folder)
    with serving(create_data_app(folder, SparqlLimits(workers=2))) as found:
        yield found


def requests_of(case: rdflib.term.Node) -> list[rdflib.term.Node]:
    (listed,) = MANIFEST.objects(case, MF.action / HT.requests)
    return list(Collection(MANIFEST, listed))


def ask(address: str, request: rdflib.term.Node) -> Answered:
    headers = {}
    if (listed := MANIFEST.value(request, HT.headers)) is not None:
        for header in Collection(MANIFEST, listed):
            headers[str(MANIFEST.value(header, HT.fieldName)).replace("-", "_")] = str(MANIFEST.value(header, HT.fieldValue))
    body = None
    if (content := MANIFEST.value(request, HT.body)) is not None:
        body = str(MANIFEST.value(content, CNT.chars)).encode(str(MANIFEST.value(content, CNT.characterEncoding)))
    return send(
        address, str(MANIFEST.value(request, HT.methodName)), str(MANIFEST.value(request, HT.absolutePath)), body, **headers
    )


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("query", "bad_query", "bad_multiple_queries"))])
def test_query_case(name: str, address: str) -> None:
    for request in requests_of(CASES[name]):
        answered = ask(address, request)
        (expected,) = MANIFEST.objects(request, HT.resp)
        statuses = {str(status).rsplit("StatusCode", 1)[-1][0] for status in MANIFEST.objects(expected, MF.expectedStatus)}
        assert str(answered.status)[0] in statuses, answered
        form = str(MANIFEST.value(expected, MF.expectedFormat) or "")
        if form == "RDF":
            assert answered.media in GRAPH
        elif form:
            assert answered.media in TABULAR[: 2 if form == "boolean" else 4]
        if (boolean := MANIFEST.value(expected, MF.expectedBoolean)) is not None:
            assert json.loads(answered.body)["boolean"] is boolean.toPython()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in CASES if "update" in name])
def test_update_case_is_refused(name: str, address: str) -> None:
    first = requests_of(CASES[name])[0]
    answered = ask(address, first)
    assert 400 <= answered.status < 500, answered
    if name.startswith("update"):
        assert answered.status == 403
        assert b"update" in answered.body


def test_all_cases_are_run() -> None:
    assert len(CASES) == 34
    assert sum(name.startswith(("query", "bad_query", "bad_multiple_queries")) or "update" in name for name in CASES) == 34
