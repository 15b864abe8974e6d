"""Every command, with right and wrong input: what it says, and the exit code."""

import csv
import io
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest

import kgraph
from kgraph.cli import main
from kgraph.settings import read_settings
from kgraph.study import Study
from kgraph.workspace import EXAMPLE, Workspace
from kgraph.yamlfile import read_yaml

QUOTATIONS = "SELECT ?q ?text { ?q a kg:Quotation ; schema:text ?text } ORDER BY ?q"
COMMANDS = ("init", "build", "check", "query", "explain", "status", "serve", "schema")


class Ran:
    """What a command did: exit code, and what it wrote."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def error(self) -> str:
        """The message, when the command failed as it should: exit code 1, one line, no traceback."""
        assert (self.code, self.out) == (1, "")
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("error: ").removesuffix("\n")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Runs the command line in this process."""

    def command(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["kgraph", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0 if code is None else 1, captured.out.decode(), captured.err.decode())

    return command


def test_version_and_help(run: Any) -> None:
    assert run("--version").out == f"kgraph {kgraph.__version__}\n"
    told = run("--help").out
    assert all(f"\n  {command} " in told for command in COMMANDS)
    for command in COMMANDS:
        assert run(command, "-h").out.startswith(f"Usage: kgraph {command}")


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("build", "--nonsense"), ("serve", "--port", "99999"), ("explain", "a"), ("init",), ()]
)
def test_wrong_use_exits_with_2_and_says_how_to_use_it(run: Any, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Usage: kgraph" in ran.out + ran.err


# init


def test_init_makes_a_workspace_that_can_be_read(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'odd "name" \\ 工作'
    ran = run("init", folder)
    assert (ran.code, ran.out) == (0, f"Made the workspace {folder}. Next: kgraph build -w {folder}\n")
    assert read_settings(folder / "kgraph.toml").name == folder.name
    assert {path.name for path in folder.iterdir()} >= {"kgraph.toml", "studies", "ontology", ".gitignore"}


def test_init_here(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run("init", ".").code == 0
    assert read_settings(tmp_path / "here" / "kgraph.toml").name == "here"


def test_init_example(run: Any, tmp_path: Path) -> None:
    assert run("init", tmp_path / "new" / "example", "--example").code == 0
    made = Workspace(tmp_path / "new" / "example")
    assert [path.name for path in made.study_files()] == sorted(path.name for path in (EXAMPLE / "studies").glob("*.yaml"))


def test_init_where_it_cannot_be(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert run("init", tmp_path).error == f"{tmp_path}: the folder is not empty. Choose another folder"
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert run("init", place).error == f"{place}: cannot be written (Not a directory). Choose a folder that you may write to"
    assert (tmp_path / "file").read_text() == "x"


# which workspace


def test_the_workspace_around_the_current_folder_is_the_default(
    run: Any, tiny_built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_built.folder / "studies")
    assert run("query", "ASK { ?s a kg:Study }").out == "yes\n"
    assert f"A tiny workspace ({tiny_built.folder})" in run("status").out


@pytest.mark.parametrize(
    "command", [("build",), ("check",), ("query", "ASK {}"), ("explain", "a:a", "a:b", "a:c"), ("status",), ("serve",)]
)
def test_no_workspace(run: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = tmp_path / "nowhere"
    assert (
        run(*command, "-w", nowhere).error
        == f"{nowhere}: there is no such folder. Make a workspace: kgraph init {nowhere} --example"
    )
    assert "no kgraph.toml here or above. Go to a workspace (-w DIR), or make one" in run(*command, "-w", tmp_path).error


@pytest.mark.parametrize("command", [("query", "ASK {}"), ("explain", "a:a", "a:b", "a:c"), ("serve",)])
def test_nothing_built(run: Any, tiny: Workspace, command: tuple[str, ...]) -> None:
    assert run(*command, "-w", tiny.folder).error == f"{tiny.folder}: nothing is built yet. Run: kgraph build"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('nam = "x"\n', ":1: nam: this key is not known. Known here: name, languages, base"),
        ('\nbase = "x"\n', ":2: base: 'x' is no web address that ends in a slash. Write base ="),
        ("name = 3\n", ":1: name: is no text. Write name ="),
        ('languages = "en"\n', ":1: languages: is no list of languages. Write languages ="),
        ("name = \n", ":1: Invalid value (at line 1, column 8). Correct the TOML"),
        ("[sparql]\nseconds = 0\n", ":2: sparql.seconds: 0 is no such number. Write seconds = 10.0, for one; not less than 1"),
        ("[sparql]\nworkers = 1\n", ":2: sparql.workers: 1 is no such number. Write workers = 3, for one; not less than 2"),
        ("[sparql]\nrow = 1\n", ":2: sparql.row: this key is not known. Known here: workers, queue, seconds"),
        ("sparql = 1\n", ":1: sparql: is no table. Write [sparql] and below it workers, queue, seconds"),
        ("[shop]\nurl = 1\n", ":1: shop: this key is not known"),
    ],
)
def test_settings_that_are_wrong(run: Any, tiny: Workspace, content: str, message: str) -> None:
    (tiny.folder / "kgraph.toml").write_text(content, encoding="utf-8")
    assert run("build", "-w", tiny.folder).error.startswith(f"{tiny.folder / 'kgraph.toml'}{message}")


# build and status


def test_build_and_status(run: Any, tiny: Workspace) -> None:
    assert "Nothing is built yet. Next: kgraph build" in run("status", "-w", tiny.folder).out
    told = run("build", "-w", tiny.folder).out.splitlines()
    assert told[-1].startswith("Published ")
    version = told[-1].removeprefix("Published ")
    assert run("build", "-w", tiny.folder).out == f"Nothing changed: {version} is published already\n"
    told = run("status", "-w", tiny.folder).out
    assert "The sources are as published" in told
    assert f"*  {version}  0:00:0" in told
    assert "quotation 2" in told
    state = json.loads(run("status", "--json", "-w", tiny.folder).out)
    assert (state["current"], [item["version"] for item in state["snapshots"]]) == (True, [version])
    (tiny.folder / "studies" / "tiny-2024.txt").unlink()
    assert "The sources differ from what is published. Next: kgraph build" in run("status", "-w", tiny.folder).out
    failed = run("build", "-w", tiny.folder)
    assert failed.code == 1
    assert "tiny-2024.txt: cannot be read (No such file or directory). Check the path" in failed.err
    assert run("query", "ASK { ?s a kg:Study }", "-w", tiny.folder).out == "yes\n"


# query


@pytest.fixture
def ask(run: Any, tiny_built: Workspace) -> Any:
    return lambda *arguments: run("query", *arguments, "-w", tiny_built.folder)


IRI = "https://example.org/kg/study/tiny-2024/quotation/q01"
WORDS = "I walk with her because she waits for me"


def test_formats_of_rows(ask: Any) -> None:
    assert ask(QUOTATIONS).out.splitlines()[1] == f"study/tiny-2024/quotation/q01  {WORDS}"
    rows = list(csv.reader(io.StringIO(ask(QUOTATIONS, "--format", "csv").out)))
    assert rows[:2] == [["q", "text"], [IRI, WORDS]]
    lines = ask(QUOTATIONS, "--format", "tsv").out.splitlines()
    assert lines[:2] == ["?q\t?text", f'<{IRI}>\t"{WORDS}"@en']
    found = json.loads(ask(QUOTATIONS, "--format", "json").out)
    assert found["results"]["bindings"][0]["text"] == {"type": "literal", "value": WORDS, "xml:lang": "en"}
    tree = ElementTree.fromstring(ask(QUOTATIONS, "--format", "xml").out)  # noqa: S314 - our own output
    assert next(item.text for item in tree.iter("{http://www.w3.org/2005/sparql-results#}uri")) == IRI
    assert len(rows) - 1 == len(lines) - 1 == len(found["results"]["bindings"]) == 2


@pytest.mark.parametrize("arguments", [(), ("--format", "turtle")])
def test_formats_of_graphs(ask: Any, arguments: tuple[str, ...]) -> None:
    told = ask("CONSTRUCT { ?s ?p ?o } WHERE { GRAPH <graph/study/tiny-2024> { ?s ?p ?o } }", *arguments).out
    assert len(list(ox.parse(told, format=ox.RdfFormat.TURTLE))) == 371
    assert ask("DESCRIBE <study/tiny-2024>", *arguments).out.count("@prefix")


def test_formats_of_yes_and_no(ask: Any) -> None:
    assert ask("ASK { ?s a kg:Study }").out == "yes\n"
    assert ask("ASK { ?s a kg:Nothing }").out == "no\n"
    assert json.loads(ask("ASK {}", "--format", "json").out)["boolean"] is True
    assert "true" in ask("ASK {}", "--format", "xml").out


@pytest.mark.parametrize(
    ("query", "form", "message"),
    [
        (QUOTATIONS, "turtle", "the answer is no graph. Only CONSTRUCT and DESCRIBE are written as turtle"),
        ("ASK {}", "csv", "a yes or no cannot be written as csv. Use table, json or xml"),
        ("DESCRIBE kg:Study", "json", "a graph cannot be written as"),
        ("ASK {}", "yaml", "there is no format 'yaml'. Use one of: table csv tsv json xml turtle"),
    ],
)
def test_formats_that_do_not_fit(ask: Any, query: str, form: str, message: str) -> None:
    assert ask(query, "--format", form).error.startswith(message)


def test_a_table_shows_texts_as_they_are(ask: Any) -> None:
    told = ask('SELECT (":heart: [red]x[/red] \\\\[" AS ?a) ("他说" AS ?b) (?none AS ?c) {}').out
    assert told.splitlines()[1] == ":heart: [red]x[/red] \\[  他说"
    assert told.endswith("(1 row)\n")
    assert ask("SELECT ?s { ?s a kg:Nothing }").out == "s\n(0 rows)\n"
    long = ask(f'SELECT ("{"x" * 5000}" AS ?a) {{}}').out
    assert "x" * 5000 in long, "nothing is cut when it does not go to a terminal"


@pytest.mark.parametrize(
    "query", ["SELECT ?from { ?from a kg:Study } # where from <x>", 'SELECT ?s { ?s a kg:Study FILTER("FROM <x>" != "") }']
)
def test_the_word_from_changes_nothing_where_it_is_no_clause(ask: Any, query: str) -> None:
    assert "study/tiny-2024" in ask(query).out


def test_from_chooses_graphs(ask: Any) -> None:
    count = "SELECT (COUNT(*) AS ?n) {} {{ ?s a kg:Quotation }}"
    assert ask(count.format("FROM <graph/study/tiny-2024>")).out == "n\n2\n(1 row)\n"
    assert ask(count.format("FROM <graph/concepts>")).out == "n\n0\n(1 row)\n"


def test_a_query_from_a_file(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "query.rq"
    path.write_text("# a comment\n" + QUOTATIONS, encoding="utf-8")
    assert WORDS in ask("-f", path).out
    path.write_text("SELECT ?s\nWHERE { ?s ?p }", encoding="utf-8")
    assert ask("-f", path).error.startswith("line 2: the query is not well-formed: ")
    path.write_bytes(b"SELECT \xff")
    assert ask("-f", path).error == f"{path}:1: byte 8 (0xff) is not UTF-8. Save the file as UTF-8"
    assert (
        ask("-f", tmp_path / "none.rq").error
        == f"{tmp_path / 'none.rq'}: cannot be read (No such file or directory). Check the path and its permissions"
    )


def test_a_named_query(ask: Any) -> None:
    for value in ("hope", "concept:hope", "https://w3id.org/kgraph/concept/hope"):
        assert WORDS in ask("quotations-of-concept", "--param", f"concept={value}").out
    listed = ask("--list").out
    assert "quotations-of-concept" in listed
    assert "Who " in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one query. kgraph query 'SELECT ...'"),
        (("ASK {}", "-f", "x.rq"), "give one query."),
        (("quotations-of-concep",), "there is no query named 'quotations-of-concep'. Did you mean quotations-of-concept"),
        (("zzzz",), "there is no query named 'zzzz'. List them: kgraph query --list"),
        (("quotations-of-concept",), "the query quotations-of-concept needs the parameter 'concept'. Add --param concept=VALUE"),
        (
            ("quotations-of-concept", "-p", "concept=hope", "-p", "x=1"),
            "the query quotations-of-concept has no parameter 'x'. Its parameters: concept",
        ),
        (("quotations-of-concept", "-p", "hope"), "'hope' is no parameter. Write --param name=value"),
        (("quotations-of-concept", "-p", "concept=a b"), "'a b' is no IRI. Write an IRI, a prefixed name such as concept:hope"),
        (("quotations-of-concept", "-p", "concept=x> } #"), "'x> } #' is no IRI"),
        (("ASK {}", "-p", "a=b"), "parameters go with a named query"),
        (("SELECT * { ?s ?p }",), "line 1: the query is not well-formed: error at 1:"),
        (("",), "line 1: the query is not well-formed"),
        (("SELECT ?x {\n  ?x a kg:Study\n  FILTER(\n}",), "line 4: the query is not well-formed"),
        (("SELECT * { ?s unknown:p ?o }",), "line 1: the query is not well-formed"),
        (("INSERT DATA { <a:b> <a:b> <a:c> }",), "line 1: this is an update, and the graph is read-only"),
        (("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",), "line 1: SERVICE is not answered here"),
        (("ASK {}", "--restricted"), "{folder}: there is nothing restricted in the published version. Leave out --restricted"),
    ],
)
def test_queries_that_cannot_be_answered(ask: Any, tiny_built: Workspace, arguments: tuple[str, ...], message: str) -> None:
    error = ask(*arguments).error
    assert error.startswith(message.replace("{folder}", str(tiny_built.folder)))


# explain


@pytest.fixture
def why(run: Any, tiny_built: Workspace) -> Any:
    return lambda *arguments: run("explain", *arguments, "-w", tiny_built.folder)


def test_explain_what_is_inferred(why: Any) -> None:
    told = why("concept:friendship", "kg:reduces", "concept:loneliness").out.splitlines()
    assert told[:2] == [
        "concept:friendship kg:reduces concept:loneliness",
        "  by the rule direct-cited-claim: An asserted cited claim links its subject and object directly. From:",
    ]
    assert "    study/tiny-2024/assertion/a002 kg:subject concept:friendship" in told
    assert told.count("      stated in graph/study/tiny-2024") == len(told[2:]) / 2


@pytest.mark.parametrize(
    "triple",
    [
        ("study/tiny-2024", "a", "kg:Study"),
        ("<https://example.org/kg/study/tiny-2024>", "rdf:type", "https://w3id.org/kgraph/ontology#Study"),
        ("study/tiny-2024", "dcterms:identifier", '"tiny-2024"'),
        ("study/tiny-2024", "rdfs:label", '"A walking group"@en'),
        ("study/tiny-2024", "kg:sampleSize", "2"),
        ("study/tiny-2024/participant/P1", "kg:yearsInService", "2.5"),
        ("https://doi.org/10.1234/walk.2024", "fabio:hasPublicationYear", '"2024"^^xsd:gYear'),
    ],
)
def test_explain_what_is_stated(why: Any, triple: tuple[str, str, str]) -> None:
    assert why(*triple).out.endswith("\n  stated in graph/study/tiny-2024\n")


@pytest.mark.parametrize(
    ("triple", "message"),
    [
        (
            ("concept:friendship", "kg:reduces", "concept:hope"),
            "the graph does not hold this triple. See what it holds: kgraph query",
        ),
        (("concept:hope", "kg:nonsense", "concept:hope"), "the graph does not hold this triple"),
        (('"x"', "a", "kg:Study"), "subject and predicate are IRIs"),
        (("a b", "a", "kg:Study"), "'a b' is no IRI"),
        (("concept:hope", "rdfs:label", '"open'), '"open is no literal. Write it as in Turtle'),
        (("concept:hope", "rdfs:label", '"a" . <a:b> <a:c> "d"'), "is no literal"),
    ],
)
def test_what_cannot_be_explained(why: Any, triple: tuple[str, str, str], message: str) -> None:
    assert message in why(*triple).error


# serve, schema


def test_a_port_in_use_is_named(run: Any, tiny_built: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = run("serve", "-w", tiny_built.folder, "--port", port).error
    assert (
        error == f"cannot listen on 127.0.0.1:{port} (Address already in use). Choose another with --port, or stop what uses it"
    )


def test_serve_says_where_and_answers(tiny_built: Workspace) -> None:
    from urllib.request import urlopen

    command = [sys.executable, "-u", "-m", "kgraph", "serve", "--port", "0", "-w", str(tiny_built.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(f"kgraph shows {tiny_built.folder.name} on http://127.0.0.1:")
            address = line.split(" on ")[1].split(" ")[0]
            with urlopen(f"{address}study/tiny-2024.ttl", timeout=20) as answer:  # noqa: S310
                assert b"kg:Study" in answer.read()
        finally:
            process.kill()


def test_the_schema_describes_the_example(run: Any, workspace: Workspace) -> None:
    schema = json.loads(run("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    data = read_yaml(workspace.study_files()[0]).data
    assert Study.model_validate(data)

    def fits(part: dict[str, Any], value: Any) -> None:
        """Every key of the data is in the schema, and every key that the schema requires is in the data."""
        if "anyOf" in part:
            part = next(choice for choice in part["anyOf"] if choice.get("type") != "null")
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
        if isinstance(value, dict):
            assert set(value) <= set(part["properties"])
            assert set(part.get("required", ())) <= set(value)
            for key, below in value.items():
                fits(part["properties"][key], below)
        elif isinstance(value, list):
            assert part["type"] == "array"
            for below in value:
                fits(part["items"], below)
        elif "enum" in part:
            assert value in part["enum"]

    fits(schema, data)


def test_a_closed_pipe_is_no_error(tiny_built: Workspace) -> None:
    command = f"{sys.executable} -m kgraph query -w '{tiny_built.folder}' 'SELECT * {{ ?s ?p ?o }}' --format csv | head -1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.startswith("s,p,o") or ran.stdout.count(",") == 2
    assert ran.stderr == ""


def test_as_a_library(tiny_built: Workspace) -> None:
    graph = kgraph.open(str(tiny_built.folder))
    rows = graph.ask("quotations-of-concept", concept="hope")
    assert [row["text"] for row in rows] == [WORDS]


def test_an_unknown_concept_is_no_empty_answer(run: Any, workspace: Workspace) -> None:
    ran = run("query", "quotations-of-concept", "--param", "concept=empthy", "-w", workspace.folder)
    assert ran.code == 1
    assert "there is no concept 'empthy'" in ran.error
    assert "empathy" in ran.error


@pytest.mark.parametrize(
    "update", ["INSERT DATA { <a:b> <a:c> <a:d> }", "PREFIX a: <x:> delete where { ?s ?p ?o }", "# x\nLOAD <x:y>"]
)
def test_an_update_is_refused_as_such(run: Any, workspace: Workspace, update: str) -> None:
    ran = run("query", update, "-w", workspace.folder)
    assert ran.code == 1
    assert "read-only" in ran.error
