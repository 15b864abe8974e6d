"""A module imports only what stands lower, so that the next person can read it from the bottom up."""

import ast
from pathlib import Path

import pytest

import kgraph

ROOT = Path(kgraph.__file__).parent.parent
LAYERS = (
    ("errors", "settings", "ontology", "names", "identifiers"),  # names and errors
    ("anchors", "study", "counts"),  # what a study is: no graph, no web
    # reading, and records to RDF
    ("yamlfile", "vocabulary", "validation", "studylinks", "studyfile", "tables", "mapping", "mappings"),
    ("workterms", "worktables", "workmapping", "selection"),
    # concepts in works
    ("tagtables", "labelforms", "tagcontext", "abbreviations", "tagging", "mentions", "workcolumns", "workindex"),
    ("openalexerrors", "openalex", "question"),
    ("workspace", "works", "journal", "gathering", "harvest", "openalexcopy", "copyreading", "copyharvest", "where"),  # sources
    (
        "sparqltext",
        "stores",
        "skeleton",
        "queries",
        "integrity",
        "storeservice",
        "remote",
        "mapped",
        "snapshot",
        "workstream",
        "workstore",
        "description",
        "dumps",
        "builderlock",
        "keeping",
        "upload",
    ),  # named graphs, the store, queries by name
    # meaning
    (
        "answers",
        "reading",
        "layout",
        "network",
        "search",
        "worklist",
        "evaluate",
        "channel",
        "pool",
        "protocol",
        "datafiles",
        "inference",
        "reasoner",
        "shapes",
        "checks",
        "check",
        "build",
        "doctor",
        "backup",
        "restoring",
    ),
    (
        "web",
        "telling",
        "study_commands",
        "harvest_telling",
        "harvest_commands",
        "works_commands",
        "tag_commands",
        "snapshot_commands",
        "dump_commands",
        "upkeep_commands",
        "cli",
        "__main__",
    ),  # faces
)
ORDER = [module for layer in LAYERS for module in layer]  # within a layer, too, only what stands before


def modules() -> list[Path]:
    return [*sorted((ROOT / "kgraph").glob("*.py")), *sorted((ROOT / "web").glob("*.py"))]


def imported(path: Path) -> set[str]:
    """The kgraph modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("kgraph.") and name.split(".")[1] in ORDER}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_module_imports_only_what_stands_lower(path: Path) -> None:
    module = "web" if path.parent.name == "web" else path.stem
    if module == "__init__":
        return  # kgraph.open imports inside the function
    assert module in ORDER, f"give {module} its place in tests/test_layers.py"
    above = set(ORDER[ORDER.index(module) + 1 :])
    assert not imported(path) & above, f"{module} reaches up"


def test_importing_kgraph_is_cheap() -> None:
    """`import kgraph` and the command line load no library of weight."""
    import subprocess
    import sys

    heavy = "rdflib", "flask", "pyoxigraph", "pydantic", "networkx", "rich.table"
    code = f"import sys, kgraph.cli; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
