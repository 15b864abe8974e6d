"""What tests share: the example workspace, built once a run, and copies of it to break."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import kgraph
from kgraph.build import build
from kgraph.snapshot import Snapshot
from kgraph.workspace import Workspace, create_workspace

EXAMPLE = Path(kgraph.__file__).parent / "example"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The example workspace, built and published; shared by all workers of a run, so never to be changed."""
    shared = tmp_path_factory.getbasetemp().parent / "kgraph-example"
    with FileLock(f"{shared}.lock"):
        found = Workspace(shared) if shared.exists() else create_workspace(shared, example=True)
        build(found)
    return found


@pytest.fixture(scope="session")
def snapshot(workspace: Workspace) -> Snapshot:
    """The published snapshot of the example."""
    return kgraph.open(str(workspace.folder))


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
