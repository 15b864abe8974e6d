"""A SPARQL server that answers badly: an error that says so, never a part of an answer; and what is kept secret."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kgraph.errors import KgraphError
from kgraph.remote import RemoteStore
from kgraph.settings import read_settings
from kgraph.sparqltext import substitute
from kgraph.stores import StoreError
from kgraph.storeservice import Credentials, Service, find_credentials
from sparqlservers import Asked, StandIn, reply

BASE = "https://example.org/kg/"
ROWS = b'{"head":{"vars":["s"]},"results":{"bindings":[{"s":{"type":"uri","value":"https://example.org/kg/a"}}]}}'
JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/sparql-results+json\r\n"
NT = "HTTP/1.1 200 OK\r\nContent-Type: application/n-triples\r\n"
BAD = {
    "cut-off JSON, and nothing tells where it ends": (JSON + "\r\n").encode() + ROWS[:-9],
    "fewer bytes than announced": (JSON + "Content-Length: 500\r\n\r\n").encode() + ROWS,
    "chunks that end too soon": (JSON + f"Transfer-Encoding: chunked\r\n\r\n{len(ROWS):x}\r\n").encode() + ROWS + b"\r\n",
    "half a chunk": (JSON + "Transfer-Encoding: chunked\r\n\r\nfff\r\n").encode() + ROWS,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "nothing at all": b"",
    "no HTTP": b"hello\r\n\r\n",
    "an error": reply(500, b"<html><body>out of <b>memory</b></body></html>", "text/html"),
    "an error that is JSON": reply(503, ROWS),
    "another place": reply(302, b"", more="Location: http://127.0.0.1:1/\r\n"),
    "no permission": reply(401, b"", more='WWW-Authenticate: Basic realm="x"\r\n'),
    "a page": reply(200, b"<html>Welcome</html>", "text/html"),
    "JSON of something else": reply(200, b'{"answer": []}'),
    "JSON that is no object": reply(200, b"[1]"),
    "a part, as Virtuoso tells it": reply(200, ROWS, more="X-SQL-State: S1TAT\r\n"),
    "as many rows as it gives at most": reply(200, ROWS, more="X-SPARQL-MaxRows: 1\r\n"),
    "rows of no known kind": reply(200, ROWS.replace(b'"uri"', b'"thing"')),
    "more than is read": reply(200, b" " * 70_000 + ROWS),
}
GRAPHS = {
    "N-Triples, and nothing tells where they end": (NT + "\r\n").encode() + b"<a:a> <a:b> <a:c> .\n",
    "cut-off N-Triples": reply(200, b"<a:a> <a:b> <a:", "application/n-triples"),
    "rows": reply(200, ROWS),
    "RDF/XML": reply(200, b"<rdf/>", "application/rdf+xml"),
}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    yield made
    made.close()


def store(stand_in: StandIn, **more: Any) -> RemoteStore:
    service = Service(Credentials(**more), 1.0, 60_000)
    return RemoteStore(stand_in.sparql.query, service, {f"{BASE}graph/a": f"{BASE}graph/a#0123456789abcdef"})


def answers(stand_in: StandIn, told: bytes) -> None:
    stand_in.answer = lambda asked: told


@pytest.mark.parametrize("what", BAD)
def test_a_bad_answer_is_an_error(stand_in: StandIn, what: str) -> None:
    answers(stand_in, BAD[what])
    started = time.monotonic()
    with pytest.raises(StoreError, match="SPARQL server") as told:
        list(store(stand_in).query("SELECT ?s { ?s ?p ?o }", BASE))
    assert time.monotonic() - started < 3
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600


@pytest.mark.parametrize("what", GRAPHS)
def test_a_bad_graph_is_an_error(stand_in: StandIn, what: str) -> None:
    answers(stand_in, GRAPHS[what])
    with pytest.raises(StoreError):
        list(store(stand_in).query("CONSTRUCT WHERE { ?s ?p ?o }", BASE))


def test_what_is_refused_is_no_answer_of_the_server(stand_in: StandIn) -> None:
    with pytest.raises(KgraphError, match="read-only"):
        store(stand_in).query("DROP ALL", BASE)
    with pytest.raises(KgraphError, match="SERVICE"):
        store(stand_in).query("ASK { SERVICE <a:a> { ?s ?p ?o } }", BASE)
    assert not stand_in.asked


def test_a_malformed_query_is_what_the_server_says_it_is(stand_in: StandIn) -> None:
    answers(stand_in, reply(400, b"error at 2:3: expected }", "text/plain"))
    with pytest.raises(SyntaxError, match="error at 2:3: expected }"):
        store(stand_in).query("SELECT *\n {", BASE)


@pytest.mark.parametrize("drips", [False, True])
def test_a_slow_answer_ends_at_the_deadline(stand_in: StandIn, drips: bool) -> None:
    """Also one that never stops to say a little."""
    stop = threading.Event()

    def slow(asked: Asked) -> bytes:
        stop.wait(5)
        return b""

    def drip() -> None:
        connection = listener.accept()[0]
        connection.recv(1 << 16)
        connection.sendall((JSON + "Content-Length: 1000\r\n\r\n").encode())
        while not stop.wait(0.2):
            connection.sendall(b" ")
        connection.close()

    import socket

    stand_in.answer = slow
    found = store(stand_in)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if drips:
            threading.Thread(target=drip, daemon=True).start()
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/query"
            found = RemoteStore(address, found.service, found.physical)
        started = time.monotonic()
        with pytest.raises(StoreError, match="did not answer within 1 s"):
            found.query("ASK {}", BASE)
        assert 0.9 < time.monotonic() - started < 2
        stop.set()


def test_a_server_that_is_down() -> None:
    found = RemoteStore("http://127.0.0.1:1/query", Service(Credentials(), 1.0), {})
    with pytest.raises(StoreError, match=r"cannot be reached at http://127.0.0.1:1/query \(Connection refused\). Start it"):
        found.query("ASK {}", BASE)


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(stand_in: StandIn) -> None:
    told = iter([b"", reply(200, ROWS)])
    stand_in.answer = lambda asked: next(told)
    assert len(list(store(stand_in).query("SELECT ?s { ?s ?p ?o }", BASE))) == 1
    assert len(stand_in.asked) == 2


def test_answers_in_the_forms_of_other_servers(stand_in: StandIn) -> None:
    """Those of Virtuoso, for one."""
    xsd = "http://www.w3.org/2001/XMLSchema#"
    body = (
        '{"head":{"link":[],"vars":["a","b","c"]},"results":{"distinct":false,"bindings":[{'
        f'"a":{{"type":"typed-literal","datatype":"{xsd}boolean","value":"1"}},'
        f'"b":{{"type":"typed-literal","datatype":"{xsd}integer","value":"7"}},'
        f'"c":{{"type":"uri","value":"{BASE}graph/a#0123456789abcdef"}}}}]}}}}'
    )
    answers(stand_in, reply(200, body.encode()))
    (row,) = store(stand_in).query("SELECT * { ?a ?b ?c }", BASE)
    assert list(row) == [ox.Literal(True), ox.Literal(7), ox.NamedNode(f"{BASE}graph/a")]
    one = '{"head":{"vars":["__ASK_RETVAL"]},"results":{"bindings":[{"__ASK_RETVAL":{"type":"typed-literal","value":"1"}}]}}'
    for body, expected in ((one, True), (one.replace('"1"', '"0"'), False)):
        answers(stand_in, reply(200, body.encode()))
        assert bool(store(stand_in).query("ASK {}", BASE)) is expected
    answers(stand_in, reply(200, b"@prefix a: <a:> . a:a a:b a:c .", "text/turtle"))
    assert [str(triple) for triple in store(stand_in).query("CONSTRUCT WHERE { ?s ?p ?o }", BASE)] == ["<a:a> <a:b> <a:c>"]


def test_what_is_sent(stand_in: StandIn) -> None:
    """The dataset always, FROM never, and of the prefixes those that are used."""
    from urllib.parse import parse_qs

    answers(stand_in, reply(200, ROWS))
    text = "SELECT ?s\nFROM <graph/a> { ?s a kg:Study ; skos:note 'rdf:no' }"
    store(stand_in).query(text, BASE)
    sent = parse_qs(stand_in.asked[-1].body.decode())
    assert sent["default-graph-uri"] == sent["named-graph-uri"] == [f"{BASE}graph/a#0123456789abcdef"]
    (query,) = sent["query"]
    assert query.splitlines()[0].startswith(f"BASE <{BASE}> PREFIX kg: ")
    assert "FROM" not in query
    assert "PREFIX rdf:" not in query
    from kgraph.sparqltext import Dataset

    store(stand_in).query("ASK {}", BASE, dataset=Dataset(("a:foreign",), ()))
    sent = parse_qs(stand_in.asked[-1].body.decode())
    assert sent["default-graph-uri"] == sent["named-graph-uri"] == ["urn:kgraph:no-graph"]


# variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ?a ?b { ?a ?p ?b } ORDER BY ?a", "SELECT (<t> AS ?a) ?b { <t> ?p ?b } ORDER BY ?a"),
        ("SELECT ?a (MAX(?b) AS ?n) { ?a ?p ?b } GROUP BY ?a", "SELECT ?a (MAX(?b) AS ?n) { <t> ?p ?b } GROUP BY (<t> AS ?a)"),
        (
            "SELECT ?a ?b { { SELECT ?a ?b { ?b ?p ?a } LIMIT 5 } }",
            "SELECT (<t> AS ?a) ?b { { SELECT (<t> AS ?a_2) ?b { ?b ?p <t> } LIMIT 5 } }",
        ),
        (
            "SELECT ?a { { SELECT ?a (MAX(?b) AS ?m) { ?a ?p ?b } GROUP BY ?a } }",
            "SELECT (<t> AS ?a) { { SELECT ?a_2 (MAX(?b) AS ?m) { <t> ?p ?b } GROUP BY (<t> AS ?a_2) } }",
        ),
        ("SELECT ?a { VALUES ?x { 1 } $a ?x '?a' } # ?a", "SELECT (<t> AS ?a) { VALUES ?x { 1 } <t> ?x '?a' } # ?a"),
        ("CONSTRUCT { ?a ?b ?c } { ?a ?b ?c }", "CONSTRUCT { <t> ?b ?c } { <t> ?b ?c }"),
    ],
)  # fmt: skip
def test_variables_become_terms(text: str, expected: str) -> None:
    assert substitute(text, {"a": "<t>"}) == expected
    ox.Store().query(expected, base_iri=BASE)


@pytest.mark.parametrize(
    "text", ["SELECT ?a { BIND(1 AS ?a) }", "SELECT ?a { VALUES (?b ?a) { (1 2) } }", "SELECT * { VALUES ?a { 1 } }"]
)
def test_a_variable_that_the_query_gives_values_is_no_parameter(text: str) -> None:
    with pytest.raises(ValueError, match="gives \\?a its values"):
        substitute(text, {"a": "<t>"})


# credentials and settings


def test_credentials_are_sent_and_never_told(stand_in: StandIn) -> None:
    secret = "ab c/9+Q=="  # noqa: S105
    stand_in.answer = lambda asked: reply(500, f"no: {asked.headers['Authorization']}, {secret}".encode(), "text/plain")
    for more in ({"user": "me", "password": secret}, {"token": secret.replace(" ", "")}):
        with pytest.raises(StoreError, match=r"no: (Basic|Bearer) \*\*\*") as told:
            store(stand_in, **more).query("ASK {}", BASE)
        assert all(
            value not in f"{told.value} {told.value.__cause__} {Credentials(**more)!r}"
            for value in more.values()
            if value != "me"
        )


def test_no_credentials_come_from_netrc(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    answers(stand_in, reply(200, ROWS))
    store(stand_in).query("SELECT ?s { ?s ?p ?o }", BASE)
    assert "Authorization" not in stand_in.asked[-1].headers


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"USER": "me"}, "a name and a password belong together"),
        ({"USER": "me", "PASSWORD": "x", "TOKEN": "y"}, "both a password and a token are set"),
        ({"TOKEN": "a\nb"}, "characters that none have"),
        ({"TOKEN": "abc"}, "not sent to graph.example.org, which only the workspace names"),
        ({"TOKEN": "abc", "HOST": "other.example.org"}, "not sent to graph.example.org"),
    ],
)
def test_credentials_that_do_not_fit(environment: dict[str, str], found: str) -> None:
    with pytest.raises(StoreError, match=found) as told:
        find_credentials("https://graph.example.org/q", {f"KGRAPH_STORE_{name}": value for name, value in environment.items()})
    assert "abc" not in str(told.value)


def test_credentials_that_fit() -> None:
    assert find_credentials("https://graph.example.org/q", {}) == Credentials()
    named = {"KGRAPH_STORE_TOKEN": "abc", "KGRAPH_STORE_HOST": "graph.example.org"}
    assert find_credentials("https://graph.example.org/q", named) == Credentials("", "", "abc")
    login = {"KGRAPH_STORE_USER": "me", "KGRAPH_STORE_PASSWORD": "x"}
    assert find_credentials("http://127.0.0.1:7878/query", login) == Credentials("me", "x")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('password = "S3cret"', ":5: store.password: a password or a key does not belong in a workspace"),
        ('token = "S3cret"', ":5: store.token: a password or a key does not belong in a workspace"),
        ('graph-store = "http://me:S3cret@h/q"', ":5: store.graph-store: a password or a key does not belong in a workspace"),
        ('graph-store = "http://h/q?token=S3cret"', ":5: store.graph-store: a password or a key does not belong"),
        ('graph-store = "ftp://h/q"', ":5: store.graph-store: is no address of a service"),
        ("graph-store = 3", ":5: store.graph-store: is no address of a service"),
        ("timeout = 0", ":5: store.timeout: is no number of seconds"),
        ("timeout = true", ":5: store.timeout: is no number of seconds"),
        ('colour = "red"', ":5: store.colour: this key is not known. Known here: query, update, graph-store, timeout"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, lines: str, told: str) -> None:
    path = tmp_path / "kgraph.toml"
    path.write_text(f'name = "x"\n[store]\nquery = "http://h/q"\nupdate = "http://h/u"\n{lines}\n')
    with pytest.raises(KgraphError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}{told}")
    assert "S3cret" not in str(error.value)


def test_the_settings_of_the_documentation(tmp_path: Path) -> None:
    """Those of docs/stores.md can be read, and say what they are said to."""
    page = (Path(__file__).parent.parent / "docs" / "stores.md").read_text(encoding="utf-8")
    examples = re.findall(r"(?:^    .*\n)*^    \[store\]\n(?:^    .*\n)+", page, re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        (tmp_path / "kgraph.toml").write_text(re.sub("^    ", "", example, flags=re.MULTILINE), encoding="utf-8")
        found = read_settings(tmp_path / "kgraph.toml").store
        assert found is not None
        assert found.timeout == 30
        assert found.graph_store


def test_settings_that_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "kgraph.toml"
    for text, told in (
        ('store = "x"\n', "1: store: is no table"),
        ('[store]\nquery = "http://h/q"\n', "1: store: there is no update"),
    ):
        path.write_text(text)
        with pytest.raises(KgraphError, match=told):
            read_settings(path)
