"""Mappings to other vocabularies: the packaged tables name what was seen in a source and nothing else; bad ones say why."""

import csv
from pathlib import Path

import pytest
from rdflib import BNode
from rdflib.namespace import DCTERMS, RDF

from kgraph.build import build
from kgraph.check import check_workspace
from kgraph.errors import KgraphError, Problem
from kgraph.identifiers import checks_out
from kgraph.mappings import COLUMNS, map_mappings, read_mappings
from kgraph.names import ONTOLOGY, SSSOM
from kgraph.snapshot import Snapshot, open_published
from kgraph.vocabulary import Vocabulary, make_vocabulary, parse_turtle
from kgraph.workspace import Workspace

TABLES = sorted((ONTOLOGY / "mappings").iterdir())
SEEN = {  # every identifier that was seen in a source; no other may stand in a packaged table
    "mesh": """D010379 D012944 D012657 D057545 D008132 D012934 D012650 D004645 D003631 D003156 D012649 D012933 D065026 D033062
      D006379 D002016 D032903 D036301 D012559 D001714 D009771""",
    "snomed-ct": "58214004 71478004",
    "doid": "5419 3312 10933",
    "bcio": "050397 007028 007040 007041 007042 007043 010104 010101 050942 006066 006068 026051 026019",
    "addicto": "0000715 0001087 0001365",
    "mfoem": "000052 000177 000055 000048",
    "galenos": "0000248",
}
HEAD = """# mapping_set_id: https://example.org/mapping/own
# mapping_set_title: Our concepts and others
# license: https://creativecommons.org/licenses/by/4.0/
# curie_map:
#   concept: https://w3id.org/kgraph/concept/
#   MESH: http://id.nlm.nih.gov/mesh/
#   SNOMEDCT: http://snomed.info/id/
#   EX: https://vocabulary.example/
"""
ROW = {
    "subject_id": "concept:hope",
    "subject_label": "hope",
    "predicate_id": "skos:closeMatch",
    "object_id": "MESH:D065026",
    "object_label": "Hope",
    "mapping_justification": "semapv:MappingReview",
    "confidence": "0.8",
    "mapping_date": "2026-11-25",
    "comment": "",
}


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return make_vocabulary(quad for path in (ONTOLOGY / "concepts").glob("*.ttl") for quad in parse_turtle(path))


def write(path: Path, *rows: dict[str, str], head: str = HEAD, columns: tuple[str, ...] = tuple(ROW)) -> Path:
    """A table with rows that are as `ROW` but for what is given; `columns` that `ROW` has not are empty."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(head)
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([(ROW | row).get(column, "") for column in columns] for row in rows)
    return path


def told(problems: tuple[Problem, ...]) -> list[tuple[int | None, str, str, str]]:
    assert {problem.check for problem in problems} <= {"mappings"}
    return [(problem.line, problem.field, problem.found, problem.remedy) for problem in problems]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_packaged_table_is_sound(path: Path, words: Vocabulary) -> None:
    table = read_mappings(path, words)
    assert [str(problem) for problem in table.problems] == []
    assert table.header is not None
    name = path.name.removesuffix(".sssom.tsv")
    assert table.header.mapping_set_id == f"https://w3id.org/kgraph/mapping/{name}"
    assert table.header.license == "https://creativecommons.org/licenses/by/4.0/"
    assert "software" in (table.header.mapping_tool or "")
    assert "No person" in (table.header.comment or "")
    order = [(row.subject_id, row.predicate_id, row.object_id) for row in table.rows]
    assert [subject for subject, _, _ in order] == sorted(subject for subject, _, _ in order)


def test_packaged_tables_name_what_was_seen_and_nothing_else(words: Vocabulary) -> None:
    assert {path.name for path in TABLES} == {f"{name}.sssom.tsv" for name in SEEN}
    for name, seen in SEEN.items():
        rows = read_mappings(ONTOLOGY / "mappings" / f"{name}.sssom.tsv", words).rows
        assert {row.object_id.partition(":")[2] for row in rows} == set(seen.split()), name


def test_techniques_are_but_related_to_support_in_everyday_life(words: Vocabulary) -> None:
    rows = read_mappings(ONTOLOGY / "mappings" / "bcio.sssom.tsv", words).rows
    assert {row.predicate_id for row in rows if row.object_label.endswith("BCT")} == {"skos:relatedMatch"}


def test_a_sound_table_of_the_librarians(tmp_path: Path, words: Vocabulary) -> None:
    columns = ("reviewer_label", *reversed(ROW))
    rows = [
        {"reviewer_label": "A Librarian", "comment": 'Says "the future" too'},
        {"subject_id": "concept:stigma", "subject_label": "stigma", "object_id": "EX:marks/1", "predicate_id": "skos:broadMatch"},
    ]
    table = read_mappings(write(tmp_path / "own.sssom.tsv", *rows, columns=columns), words)
    assert told(table.problems) == []
    first, second = table.rows
    assert (first.line, first.comment, first.reviewer_label) == (10, 'Says "the future" too', "A Librarian")
    assert (second.line, second.comment, second.confidence) == (11, None, 0.8)


WRONG = {  # what one cell says instead: the column that is named, what is found and the remedy
    "unknown concept": ({"subject_id": "concept:hopee"}, "subject_id", "there is no concept 'hopee'", "Did you mean hope"),
    "no concept": ({"subject_id": "MESH:D065026"}, "subject_id", "'MESH:D065026' is no concept", "Write concept: and"),
    "another label": ({"subject_label": "Hoping"}, "subject_label", "'Hoping' is not what hope is called", "Write hope"),
    "no label": ({"subject_label": ""}, "subject_label", "nothing stands here", "Write it"),
    "unknown prefix": (
        {"object_id": "MESHH:D065026"},
        "object_id",
        "the prefix 'MESHH' is not in the curie_map",
        "Write one of MESH",
    ),
    "no prefix": (
        {"object_id": "D065026"},
        "object_id",
        "'D065026' has no prefix",
        "Write one of MESH, SNOMEDCT, EX and a colon",
    ),
    "form": ({"object_id": "MESH:065026"}, "object_id", "'MESH:065026' has not the form", "D and six or nine digits"),
    "check digit": ({"object_id": "SNOMEDCT:58214040"}, "object_id", "has a wrong check digit", "Look it up again"),
    "space": ({"object_id": "EX:a b"}, "object_id", "'EX:a b' has not the form", "Write it without spaces"),
    "predicate": ({"predicate_id": "owl:sameAs"}, "predicate_id", "'owl:sameAs' is no SKOS mapping property", "skos:exactMatch"),
    "justification": (
        {"mapping_justification": "semapv:Guess"},
        "mapping_justification",
        "'semapv:Guess' is no mapping justification",
        "semapv:ManualMappingCuration",
    ),
    "confidence above": ({"confidence": "1.5"}, "confidence", "'1.5' is no number from 0 to 1", "Write a number such as 0.8"),
    "confidence below": ({"confidence": "-0.1"}, "confidence", "'-0.1' is no number from 0 to 1", "Write a number such as 0.8"),
    "confidence nan": ({"confidence": "nan"}, "confidence", "'nan' is no number from 0 to 1", "Write a number such as 0.8"),
    "confidence text": ({"confidence": "high"}, "confidence", "'high' is no number from 0 to 1", "Write a number such as 0.8"),
    "no confidence": ({"confidence": ""}, "confidence", "nothing stands here", "Write a number such as 0.8"),
    "date": ({"mapping_date": "25.11.2026"}, "mapping_date", "'25.11.2026' is no date", "2026-11-25"),
    "no such day": ({"mapping_date": "2026-02-30"}, "mapping_date", "'2026-02-30' is no date", "2026-11-25"),
    "construct": (
        {"subject_id": "concept:guanxi", "subject_label": "guanxi", "predicate_id": "skos:exactMatch"},
        "predicate_id",
        "guanxi is a cultural construct",
        "Write skos:closeMatch or skos:relatedMatch",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_cell_is_named_with_a_remedy(tmp_path: Path, words: Vocabulary, name: str) -> None:
    cells, column, found, remedy = WRONG[name]
    good = {"subject_id": "concept:stigma", "subject_label": "stigma"}
    table = read_mappings(write(tmp_path / "own.sssom.tsv", good, cells), words)
    ((line, field, was_found, was_advised),) = told(table.problems)
    assert (line, field) == (11, column)
    assert found in was_found
    assert remedy in was_advised
    assert table.problems[0].file == str(tmp_path / "own.sssom.tsv")
    assert [row.line for row in table.rows] == [10]


def test_everything_that_is_wrong_is_found_at_once(tmp_path: Path, words: Vocabulary) -> None:
    head = HEAD.replace("license", "licence").replace("#   EX: https", "#   EX: ftp").replace("id.nlm", "idnlm")
    row = {"subject_id": "concept:nowhere", "predicate_id": "closeMatch", "confidence": "2", "mapping_date": "today"}
    table = read_mappings(write(tmp_path / "own.sssom.tsv", row, row, head=head), words)
    assert [(line, field) for line, field, _, _ in told(table.problems)] == [
        (1, "license"),
        (8, "curie_map.EX"),
        (3, "licence"),
        *((10, column) for column in ("predicate_id", "confidence", "mapping_date", "subject_id")),
        *((11, column) for column in ("predicate_id", "confidence", "mapping_date", "subject_id", "object_id")),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "found", "remedy"),
    [
        (HEAD, "", 1, "", "the metadata block is missing", "Begin the file with lines such as: # mapping_set_id"),
        ("# mapping_set_title: Our concepts and others\n", "", 1, "mapping_set_title", "is missing", "Add mapping_set_title"),
        ("own\n", "own\n# colour: red\n", 2, "colour", "this key is not known", "Take it out; known here: mapping_set_id, "),
        ("https://example.org/mapping/own", "own", 1, "mapping_set_id", "'own' is no address", "Write it from https:// on"),
        ("http://id.nlm.nih.gov/mesh/", "https://mesh.example/", 6, "curie_map", "MESH stands for https:", "Write MESH: http"),
        ("#   concept: https://w3id.org/kgraph/concept/\n", "", 4, "curie_map", "prefix concept is missing", "Write concept: h"),
        ("#   MESH", "#   EX: https://b.example/\n#   MESH", 9, "EX", "the key stands twice, first on line 6", "Keep one"),
        ("# license", "#license", 3, "", "did not find expected <document start>", "Correct the YAML"),
    ],
)  # fmt: skip
def test_wrong_metadata_are_named(
    tmp_path: Path, words: Vocabulary, old: str, new: str, line: int, field: str, found: str, remedy: str
) -> None:
    assert old in HEAD
    table = read_mappings(write(tmp_path / "own.sssom.tsv", {}, head=HEAD.replace(old, new)), words)
    ((was_line, was_field, was_found, was_advised),) = told(table.problems)
    assert (was_line, was_field) == (line, field)
    assert found in was_found
    assert remedy in was_advised


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "found", "remedy"),
    [
        ("\tconfidence", "\tsureness", 9, "confidence", "this column is missing", "Add the column confidence"),
        ("\tcomment", "\tremark", 9, "remark", "this column is not known", "Take it out; known here: subject_id"),
        ("\tcomment", "\tconfidence", 9, "confidence", "this column stands twice", "Keep one of them"),
        ("\t0.8\t", "\t", 10, "", "8 cells stand here and 9 columns above", "Write one cell a column"),
        ("\tHope\t", '\t"Ho"pe\t', 10, "", "the cells cannot be told apart", "Double the quotation marks"),
        ("\tHope\t", '\t"Hope\t', 10, "", "the cells cannot be told apart", "Double the quotation marks"),
    ],
)  # fmt: skip
def test_a_wrong_form_of_the_table_is_named(
    tmp_path: Path, words: Vocabulary, old: str, new: str, line: int, field: str, found: str, remedy: str
) -> None:
    path = write(tmp_path / "own.sssom.tsv", {})
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    problems = told(read_mappings(path, words).problems)
    assert any(
        (was_line, was_field) == (line, field) and found in was_found and remedy in was_advised
        for was_line, was_field, was_found, was_advised in problems
    ), problems


def test_an_empty_table_and_an_unreadable_file(tmp_path: Path, words: Vocabulary) -> None:
    path = tmp_path / "own.sssom.tsv"
    path.write_text(HEAD, encoding="utf-8")
    ((line, _, found, remedy),) = told(read_mappings(path, words).problems)
    assert (line, found) == (9, "the line of column names is missing")
    assert all(name in remedy for name in COLUMNS)
    path.write_bytes(HEAD.encode() + b"\xff")
    with pytest.raises(KgraphError, match="is not UTF-8"):
        read_mappings(path, words)


@pytest.mark.parametrize(
    ("predicate", "column", "found"),
    [
        ("skos:closeMatch", "object_id", "the same mapping stands on line 10"),
        ("skos:broadMatch", "predicate_id", "line 10 maps the same pair by skos:closeMatch"),
    ],
)
def test_a_pair_is_mapped_once(tmp_path: Path, words: Vocabulary, predicate: str, column: str, found: str) -> None:
    table = read_mappings(write(tmp_path / "own.sssom.tsv", {}, {"predicate_id": predicate}), words)
    assert [(line, field, was_found) for line, field, was_found, _ in told(table.problems)] == [(11, column, found)]


def test_a_cell_of_two_lines_keeps_the_count_of_lines(tmp_path: Path, words: Vocabulary) -> None:
    rows = [{"comment": "One line,\nand another"}, {"object_id": "MESH:065026"}]
    table = read_mappings(write(tmp_path / "own.sssom.tsv", *rows), words)
    assert [line for line, _, _, _ in told(table.problems)] == [12]
    assert table.rows[0].comment == "One line,\nand another"


def test_check_digits() -> None:
    assert checks_out("58214004")
    assert checks_out("2363")  # the example of Verhoeff's scheme: 236 has the check digit 3
    wrong = [f"5821400{digit}" for digit in "012356789"] + ["52814004", "85214004", "58210404"]
    assert [number for number in wrong if checks_out(number)] == []


def test_triples_have_no_blank_nodes_and_every_node_its_identifier(words: Vocabulary) -> None:
    graph = map_mappings(read_mappings(path, words) for path in TABLES)
    assert not [term for triple in graph for term in triple if isinstance(term, BNode)]
    nodes = {node for node, _, kind in graph.triples((None, RDF.type, None)) if kind in (SSSOM.Mapping, SSSOM.MappingSet)}
    assert nodes == set(graph.subjects(DCTERMS.identifier))


def test_a_built_workspace_holds_the_link_and_what_is_known_of_it(tiny_built: Workspace) -> None:
    snapshot = open_published(tiny_built)
    (row,) = snapshot.query(
        """SELECT ?target ?label ?confidence ?date ?set ?node WHERE { GRAPH <graph/mappings> {
             concept:social-support ?predicate ?target .
             ?node a sssom:Mapping ; owl:annotatedSource concept:social-support ; owl:annotatedProperty ?predicate ;
               owl:annotatedTarget ?target ; sssom:object_label ?label ; sssom:confidence ?confidence ;
               sssom:mapping_justification semapv:UnspecifiedMatching ; dcterms:created ?date .
             ?set a sssom:MappingSet ; sssom:mappings ?node ; sssom:object_source_version "2015" .
             ?target rdfs:label ?name FILTER(STR(?name) = ?label)
           } }"""
    )
    assert row["target"].value == "http://id.nlm.nih.gov/mesh/D012944"
    assert row["node"].value == "https://w3id.org/kgraph/mapping/mesh/social-support-D012944"
    assert row["set"].value == "https://w3id.org/kgraph/mapping/mesh"
    assert (row["label"].value, float(row["confidence"].value), row["date"].value) == ("Social Support", 0.75, "2026-11-25")
    (graph,) = (graph for graph in snapshot.manifest["graphs"] if graph["graph"].endswith("graph/mappings"))
    assert graph["files"] == [f"kgraph/{path.name}" for path in TABLES]


def test_every_packaged_mapping_is_in_the_example(snapshot: Snapshot, words: Vocabulary) -> None:
    (row,) = snapshot.query("SELECT (COUNT(DISTINCT ?mapping) AS ?number) WHERE { ?mapping a sssom:Mapping }")
    assert int(row["number"].value) == sum(len(read_mappings(path, words).rows) for path in TABLES)


def test_a_workspace_has_tables_of_its_own(tiny: Workspace) -> None:
    path = write(tiny.folder / "ontology" / "own.sssom.tsv", {"object_id": "EX:hope/1"})
    done = build(tiny)
    assert done.mapped[-2:] == ["graph/mappings", "graph/mappings/own"]
    rows = open_published(tiny).query("SELECT ?term { GRAPH <graph/mappings/own> { concept:hope skos:closeMatch ?term } }")
    assert [row["term"].value for row in rows] == ["https://vocabulary.example/hope/1"]
    path.write_text(path.read_text(encoding="utf-8").replace("0.8", "0.9"), encoding="utf-8")
    again = build(tiny)
    assert again.version != done.version
    assert again.mapped == ["graph/mappings/own"]
    before = open_published(tiny).version
    path.write_text(path.read_text(encoding="utf-8").replace("0.9", "9"), encoding="utf-8")
    with pytest.raises(KgraphError, match=r"own\.sssom\.tsv:10: confidence: '9' is no number from 0 to 1"):
        build(tiny)
    assert open_published(tiny).version == before


def test_a_table_is_looked_at_again_when_a_concept_is_called_otherwise(tiny: Workspace) -> None:
    """The table is kept from the last build, and no concept is gone: still it must not say what is so no more."""
    concept = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix kg: <https://w3id.org/kgraph/ontology#> .
      @prefix dcterms: <http://purl.org/dc/terms/> .
      <river-walk> a skos:Concept , kg:Mechanism ; skos:prefLabel "river walk"@en , "河畔步行"@zh-Hans ;
        dcterms:identifier "river-walk" ; skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ;
        skos:topConceptOf <https://w3id.org/kgraph/scheme/mechanism> ; kg:labelStatus "back-translated" ;
        skos:definition "A walk by a river."@en , "沿河步行。"@zh-Hans ; dcterms:source "general knowledge, unchecked" ."""
    row = {"subject_id": "concept:river-walk", "subject_label": "river walk", "object_id": "EX:1"}
    write(tiny.folder / "ontology" / "own.sssom.tsv", row)
    (tiny.folder / "ontology" / "own.ttl").write_text(concept, encoding="utf-8")
    build(tiny)
    (tiny.folder / "ontology" / "own.ttl").write_text(concept.replace('"river walk"', '"walk by a river"'), encoding="utf-8")
    with pytest.raises(KgraphError, match="'river walk' is not what river-walk is called"):
        build(tiny)


def test_check_counts_mappings_and_names_what_is_wrong(tiny: Workspace) -> None:
    path = write(tiny.folder / "ontology" / "own.sssom.tsv", {}, {"object_id": "EX:1", "confidence": "2"})
    result = {result.name: result for result in check_workspace(tiny, with_reasoner=False).results}["mappings"]
    assert (result.result, result.looked_at) == ("1 wrong", "52 mappings in 8 tables")
    assert [(problem.check, problem.file, problem.line) for problem in result.problems] == [("mappings", str(path), 11)]
