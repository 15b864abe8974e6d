"""Concepts, comparisons and mappings of a workspace that are wrong: each is named with its file, its line and the remedy."""

from pathlib import Path

import pytest

from kgraph.build import build
from kgraph.check import check_workspace
from kgraph.errors import KgraphError
from kgraph.mappings import COLUMNS, REQUIRED
from kgraph.names import PREFIXES
from kgraph.workspace import Workspace

HEAD = "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in PREFIXES.items())
CONCEPT = """
concept:river-walk a skos:Concept, kg:PeerSupportForm ;
    dcterms:identifier "river-walk" ;
    skos:prefLabel "river walk"@en, "河边散步"@zh-Hans ;
    kg:labelStatus "back-translated" ;
    skos:definition "Walking by the river with peers, every week and in any weather, so as to be together."@en,
        "每周不论天气与同伴沿河步行、彼此相伴的活动。"@zh-Hans ;
    dcterms:source "general knowledge, unchecked" ;
    skos:broader concept:peer-support ;
    skos:inScheme <https://w3id.org/kgraph/scheme/peer-support-form> .
"""
COUNTERPART = """
counterpart:guanxi-and-mianzi a kg:Counterpart ;
    dcterms:identifier "guanxi-and-mianzi" ;
    kg:between concept:guanxi, concept:mianzi ;
    skos:note "Both bind."@en, "两者都有约束。"@zh-Hans ;
    dcterms:source "ours" .
"""
BROKEN = {  # what the file holds, part of what is found, part of the remedy
    "no Chinese label": (
        CONCEPT.replace(', "河边散步"@zh-Hans', ""),
        "concept:river-walk has no preferred label in zh-Hans",
        "Give it one skos:prefLabel",
    ),
    "the label of another concept": (
        CONCEPT.replace('"river walk"@en', '"Hope"@en'),
        "concept:hope and concept:river-walk are both called hope",
        "Rename one, or merge the two",
    ),
    "a comparison within one culture": (
        COUNTERPART,
        "counterpart:guanxi-and-mianzi compares concept:guanxi and concept:mianzi, which are both of concept:chinese-culture",
        "Compare constructs of different cultures",
    ),
    "an identifier that is another's": (
        CONCEPT.replace('dcterms:identifier "river-walk"', 'dcterms:identifier "loneliness"'),
        "concept:river-walk has the identifier loneliness",
        "Write the last part of its IRI",
    ),
    "a comparison with one side": (
        COUNTERPART.replace("concept:guanxi, ", ""),
        "counterpart:guanxi-and-mianzi has no second construct",
        "Name two constructs",
    ),
    "broader in a circle": (
        CONCEPT.replace("concept:peer-support ;", "concept:walk-in-the-rain ;")
        + CONCEPT.replace("river-walk", "walk-in-the-rain")
        .replace("river walk", "walk in the rain")
        .replace("河边散步", "雨中散步")
        .replace("concept:peer-support ;", "concept:river-walk ;"),
        "stands above itself",
        "Remove one skos:broader",
    ),
}


pytestmark = pytest.mark.usefixtures("mapped")


def own(workspace: Workspace, content: str) -> Path:
    """A Turtle file of the workspace's own."""
    path = workspace.folder / "ontology" / "own.ttl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + content, encoding="utf-8")
    return path


def test_a_sound_concept_is_built(tiny: Workspace) -> None:
    own(tiny, CONCEPT)
    assert build(tiny).built


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_concepts_is_named_with_its_line(tiny: Workspace, name: str) -> None:
    content, found, remedy = BROKEN[name]
    path = own(tiny, content)
    with pytest.raises(KgraphError) as caught:
        build(tiny)
    problem = next(problem for problem in caught.value.problems if found in problem.found)
    assert remedy in problem.remedy
    assert problem.file == str(path)
    line = path.read_text(encoding="utf-8").splitlines()[(problem.line or 0) - 1]
    assert line.startswith(("concept:", "counterpart:"))


def test_a_check_names_all_that_is_wrong_with_concepts(tiny: Workspace) -> None:
    """Each fault in a file of its own, of a concept or a comparison of its own."""
    own(tiny, "").unlink()
    wanted = []
    for letter, (content, found, remedy) in zip("abcdef", BROKEN.values(), strict=True):

        def renamed(text: str, letter: str = letter) -> str:
            for old in ("river-walk", "walk-in-the-rain", "guanxi-and-mianzi"):
                text = text.replace(old, f"{old}-{letter}")
            for old in ("river walk", "walk in the rain", "河边散步", "雨中散步"):
                text = text.replace(f'"{old}"', f'"{old} {letter}"')
            return text

        path = tiny.folder / "ontology" / f"{letter}.ttl"
        path.write_text(HEAD + renamed(content), encoding="utf-8")
        wanted.append((str(path), renamed(found), remedy))
    report = check_workspace(tiny, with_reasoner=False)
    assert not report.ok
    for file, found, remedy in wanted:
        told = [one for one in report.problems if one.file == file and found in one.found and remedy in one.remedy]
        assert [one.severity for one in told] == ["error"] * len(told) != [], found


def test_a_mapping_to_a_term_that_cannot_be_stops_the_build(tiny: Workspace) -> None:
    build(tiny)
    before = tiny.published_name()
    (tiny.folder / "ontology").mkdir(exist_ok=True)
    table = tiny.folder / "ontology" / "own.sssom.tsv"
    head = [
        "mapping_set_id: https://example.org/own",
        "mapping_set_title: own",
        "license: https://example.org/licence",
        "curie_map:",
    ]
    head += [f"  {prefix}: {PREFIXES[prefix]}" for prefix in ("concept", "MESH", "semapv", "skos")]
    columns = [*COLUMNS][: len(REQUIRED)]
    cells = ["concept:hope", "hope", "skos:closeMatch", "MESH:X12", "Hope", "semapv:UnspecifiedMatching", "0.5", "2026-11-25"]
    table.write_text("\n".join([*(f"# {line}" for line in head), "\t".join(columns), "\t".join(cells), ""]), encoding="utf-8")
    with pytest.raises(KgraphError, match=r"own\.sssom\.tsv:10: object_id: 'MESH:X12' has not the form"):
        build(tiny)
    assert tiny.published_name() == before, "what is published stays as it was"
