"""What tests share: the example workspace, built once a run, and copies of it to break."""

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock
from flask.testing import FlaskClient

import kgraph
from kgraph import cli
from kgraph.build import build
from kgraph.names import KG
from kgraph.snapshot import Snapshot
from kgraph.workspace import Workspace, create_workspace
from sparqlservers import ALIKE, FOREIGN, Sparql, oxigraph, virtuoso

EXAMPLE = Path(kgraph.__file__).parent / "example"
TINY = Path(__file__).parent / "data" / "tiny"
Change = Callable[..., Path]
WITH_VIRTUOSO = os.environ.get("KGRAPH_TEST_VIRTUOSO") == "1"
Run = Callable[..., tuple[int, str, str]]

# the reasoners run for a second or two: compiling their code well, on several cores, takes longer than it saves
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


# Files whose tests share what takes long to start: with `--dist loadgroup` one worker runs all of a group.
GROUPS = {
    "stores": ("test_stores", "test_upload"),
    "attacks": ("test_attacks", "test_attacks_answers"),
    "hostile": ("test_attacks_pages",),
    "browser": ("test_browser",),
    "dumps": ("test_dumps", "test_description"),
    "openalex": ("test_openalex_standin",),
    "stopped": ("test_harvest_snapshot_stopped",),
    "sparql": ("test_sparql", "test_w3c_protocol"),
}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than there are processors: many tests wait, for a server to end or for a query to take too long."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts each test into its group."""
    group_of = {file: group for group, files in GROUPS.items() for file in files}
    for item in items:
        if group := group_of.get(item.path.stem):
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The example workspace, built and published; shared by all workers of a run, so never to be changed."""
    content = sha256(b"".join(path.read_bytes() for path in sorted(EXAMPLE.rglob("*")) if path.is_file())).hexdigest()
    shared = tmp_path_factory.getbasetemp().parent / f"kgraph-example-{content[:12]}"
    with FileLock(f"{shared}.lock"):
        found = Workspace(shared) if shared.exists() else create_workspace(shared, example=True)
        build(found)
    return found


@pytest.fixture(scope="session")
def snapshot(workspace: Workspace) -> Snapshot:
    """The published snapshot of the example."""
    return kgraph.open(str(workspace.folder))


@pytest.fixture(scope="session")
def client(workspace: Workspace) -> FlaskClient:
    """A client of the web application over the example."""
    from kgraph.web import create_app

    made: FlaskClient = create_app(workspace).test_client()
    return made


@pytest.fixture(scope="session")
def harvested(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Workspace:
    """The example with two harvests (see `papers`), built and published; shared by all workers, so never to be changed."""
    from papers import put_papers

    here = Path(__file__).parent
    made_of = [here / "papers.py", here / "harvests.py", here / "data" / "openalex" / "made-up.jsonl"]
    content = sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
    shared = workspace.folder.with_name(f"{workspace.folder.name}-papers-{content[:12]}")
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            shutil.copytree(workspace.folder, shared)
            put_papers(Workspace(shared))
        build(Workspace(shared))
    return Workspace(shared)


@pytest.fixture(scope="session")
def papers_client(harvested: Workspace) -> FlaskClient:
    """A client of the web application over the example with harvests."""
    from kgraph.web import create_app

    made: FlaskClient = create_app(harvested).test_client()
    return made


@pytest.fixture(scope="session", params=["oxigraph", *(["virtuoso"] if WITH_VIRTUOSO else [])])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sparql]:
    """A real SPARQL server, on which somebody else has graphs too: Oxigraph; Virtuoso too where KGRAPH_TEST_VIRTUOSO=1."""
    start = virtuoso if request.param == "virtuoso" else oxigraph
    with start(tmp_path_factory.mktemp(request.param)) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment:
            patch.setenv(name, value)
        for graph in (FOREIGN, ALIKE):
            made.run(f"INSERT DATA {{ GRAPH <{graph}> {{ <{FOREIGN}/1> a <https://elsewhere.example/Thing>, <{KG.Study}> }} }}")
        yield made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs `kgraph` with arguments, in this process: exit code, what it printed, what it complained of."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["kgraph", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capfdbinary.readouterr()
        return code, told.out.decode(), told.err.decode()

    return call


@pytest.fixture
def copy(tmp_path: Path, workspace: Workspace) -> Workspace:
    """A copy of the built example workspace that a test may change and build again."""
    folder = tmp_path / "workspace"
    shutil.copytree(workspace.folder, folder)
    return Workspace(folder)


@pytest.fixture
def edit(copy: Workspace) -> Callable[[str, str], Path]:
    """Replaces the first occurrence of a text in the copy's study file; the file's path."""
    path = copy.folder / "studies" / "fan-2024.yaml"

    def replace(old: str, new: str) -> Path:
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in the study file"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace


@pytest.fixture
def tiny(tmp_path: Path) -> Workspace:
    """A workspace with a study of a page, not built: to break, and to build quickly."""
    shutil.copytree(TINY, tmp_path / "tiny")
    return Workspace(tmp_path / "tiny")


@pytest.fixture(scope="session")
def tiny_built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny workspace, built; never to be changed."""
    folder = tmp_path_factory.mktemp("built") / "tiny"
    shutil.copytree(TINY, folder)
    build(Workspace(folder))
    return Workspace(folder)


@pytest.fixture
def mapped(tiny: Workspace, tiny_built: Workspace) -> None:
    """What is in the tiny workspace is mapped already, though nothing is built: a build maps what a test changed alone."""
    shutil.copytree(tiny_built.cache, tiny.cache)


@pytest.fixture
def change(tiny: Workspace) -> Change:
    """Replaces texts (old, new, old, new, ...), once each, in the tiny study file; the file's path."""
    path = tiny.folder / "studies" / "tiny-2024.yaml"

    def replace(*pairs: str) -> Path:
        text = path.read_text(encoding="utf-8")
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in text, f"{old!r} is not in the study file"
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")
        return path

    return replace
