"""A backup gives the same workspace again; one that is damaged or made up is refused and leaves nothing behind."""

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvests import put_harvest, real_records
from kgraph import backup, restoring
from kgraph.backup import LIST, back_up
from kgraph.build import build
from kgraph.errors import KgraphError
from kgraph.integrity import checksum
from kgraph.restoring import restore
from kgraph.workspace import Workspace

Run = Callable[..., tuple[int, str, str]]
Entries = dict[str, bytes]


@pytest.fixture
def good(tmp_path: Path, tiny: Workspace) -> Path:
    """A backup of the tiny workspace."""
    back_up(tiny, tmp_path / "good.zip")
    return tmp_path / "good.zip"


def read(file: Path) -> Entries:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file: Path, entries: Entries | list[tuple[Any, bytes]], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)


def listing(entries: Entries, **more: Any) -> Entries:
    """The entries with a list that fits them, whatever they are called."""
    from hashlib import sha256

    files = {name: {"size": len(c), "sha256": sha256(c).hexdigest()} for name, c in entries.items() if name != LIST}
    values: dict[str, Any] = {"format": 1, "files": files} | more
    values["sha256"] = checksum(values)
    return {name: content for name, content in entries.items() if name != LIST} | {LIST: json.dumps(values).encode()}


def refuse(file: Path, message: str) -> None:
    """A backup is refused with a message, and nothing is left."""
    place = file.parent / "place"
    place.mkdir(exist_ok=True)
    with pytest.raises(KgraphError, match=message):
        restore(file, place / "restored")
    assert list(place.iterdir()) == []


def test_there_and_back(run: Run, tiny: Workspace, tmp_path: Path) -> None:
    put_harvest(tiny, "few", real_records()[:2])
    (tiny.folder / "reviews").mkdir()
    (tiny.folder / "reviews" / "first.yaml").write_text("x: 1\n")
    for hidden in (".env", ".git/config", "studies/.draft.yaml", ".kgraph/cache/x", "notes.txt"):
        (tiny.folder / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tiny.folder / hidden).write_text("secret")
    built = build(tiny)
    file, folder = tmp_path / "a.zip", tmp_path / "again"
    code, told, error = run("backup", file, "-w", tiny.folder)
    assert (code, error) == (0, "")
    assert told.startswith(f"Wrote {file}: 6 files, ")
    assert told.endswith(f"Read it again: kgraph restore {file} FOLDER\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = json.loads(read(file)[LIST])["files"]
    assert set(listed) == {
        "kgraph.toml", "studies/tiny-2024.yaml", "studies/tiny-2024.txt", "works/few/works.jsonl.gz", "works/few/ledger.json",
        "reviews/first.yaml",
    }  # fmt: skip
    folder.mkdir()
    assert run("restore", file, folder) == (0, f"Restored 6 files into {folder}. Next: kgraph build -w {folder}\n", "")
    for name in listed:
        assert (folder / name).read_bytes() == (tiny.folder / name).read_bytes()
    again = build(Workspace(folder))
    assert (again.version, again.manifest["content"]) == (built.version, built.manifest["content"])
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "a.zip", "again"}


def test_places_that_do_not_fit(run: Run, tiny: Workspace, good: Path, tmp_path: Path) -> None:
    content = good.read_bytes()
    assert "there is such a file already. Choose another name" in run("backup", good, "-w", tiny.folder)[2]
    assert good.read_bytes() == content
    assert "lies among the sources" in run("backup", tiny.folder / "studies" / "a.zip", "-w", tiny.folder)[2]
    assert "cannot be written (No such file" in run("backup", tmp_path / "no" / "a.zip", "-w", tiny.folder)[2]
    before = sorted(tiny.folder.rglob("*"))
    assert "is no new and no empty folder" in run("restore", good, tiny.folder)[2]
    assert "is no new and no empty folder" in run("restore", good, good)[2]
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert "is no new and no empty folder" in run("restore", good, tmp_path / "link")[2]
    assert "there is no such folder. Make it first" in run("restore", good, tmp_path / "no" / "folder")[2]
    assert "cannot be restored (No such file" in run("restore", tmp_path / "no.zip", tmp_path / "new")[2]
    assert sorted(tiny.folder.rglob("*")) == before
    assert list((tmp_path / "empty").iterdir()) == []


def test_sources_that_do_not_fit(tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, study = tmp_path / "a.zip", tiny.folder / "studies" / "tiny-2024.yaml"
    (tiny.folder / "ontology").mkdir()
    for link in ("works", "ontology/linked"):
        (tiny.folder / link).symlink_to(tmp_path)
        with pytest.raises(KgraphError, match=f"{link}: is a link to a folder"):
            back_up(tiny, file)
        (tiny.folder / link).unlink()
    shutil.copy(study, study.with_name("Tiny-2024.yaml"))
    with pytest.raises(KgraphError, match="once more with other capital letters"):
        back_up(tiny, file)
    study.with_name("Tiny-2024.yaml").unlink()
    written = backup._write

    def disturbed(workspace: Workspace, draft: Path) -> int:
        number = written(workspace, draft)
        study.write_bytes(study.read_bytes() + b"\n")
        return number

    monkeypatch.setattr(backup, "_write", disturbed)
    with pytest.raises(KgraphError, match="the sources change all the while"):
        back_up(tiny, file)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_changed_byte_is_found(good: Path, part: float) -> None:
    content = bytearray(good.read_bytes())
    content[int(len(content) * part)] ^= 0x41
    good.write_bytes(content)
    place = good.parent / "place"
    place.mkdir()
    try:
        restore(good, place / "restored")
    except KgraphError:
        assert list(place.iterdir()) == []
    else:  # a byte that says nothing: a time, an attribute
        assert (place / "restored" / "studies" / "tiny-2024.txt").is_file()
        for path in (path for path in (place / "restored").rglob("*") if path.is_file()):
            assert path.read_bytes() == (good.parent / "tiny" / path.relative_to(place / "restored")).read_bytes()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_backup(good: Path, content: bytes) -> None:
    good.write_bytes(content)
    refuse(good, r"cannot be read as a backup|does not have one")
    good.write_bytes(b"")


def test_a_backup_that_was_cut_off(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-300])
    refuse(good, "cannot be read as a backup")


NAMES = [
    "../evil", "studies/../../evil", "/etc/evil", "studies//evil", "studies/./evil", "C:/evil", "studies/c:evil", "studies\\evil",
    ".git/hooks/post-checkout", ".kgraph/snapshots/current", "studies/.hidden", "run.py", "studies", "studies/\u202eevil",
    "studies/a\nb", "kgraph.toml/evil", "STUDIES/evil",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(good: Path, name: str) -> None:
    write(good, listing(read(good) | {name: b"evil"}))
    refuse(good, r"is no name of a source\. Take another backup")
    assert not (good.parent / "evil").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["studies/tiny-2024.yaml", "studies/TINY-2024.yaml", "studies/tiny-2024.txt/x", "Studies/x"])
def test_names_that_clash_are_refused(good: Path, name: str) -> None:
    entries = listing(read(good))
    write(good, [*entries.items(), (name, b"twice")])
    refuse(good, r"once more with other capital letters|is no name of a source")


def test_lists_that_do_not_fit_are_refused(good: Path) -> None:
    entries = read(good)
    write(good, entries | {"studies/more.yaml": b"x"})
    refuse(good, "'studies/more.yaml' is there and not listed")
    write(good, {name: content for name, content in entries.items() if not name.endswith(".txt")})
    refuse(good, "'studies/tiny-2024.txt' is listed and not there")
    write(good, {name: content for name, content in entries.items() if name != LIST})
    refuse(good, f"does not have one {LIST}")
    write(good, entries | {LIST: entries[LIST].replace(b'"size": 463', b'"size": 462')})
    refuse(good, f"{LIST} cannot be read")
    for text in (b"[]", b"{", b"[" * 100_000, b'{"format": 2}', b"\xff"):
        write(good, entries | {LIST: text})
        refuse(good, f"{LIST} cannot be read")
    write(good, listing({name: content for name, content in entries.items() if name != "kgraph.toml"}))
    refuse(good, "has no kgraph.toml")
    write(good, listing(entries) | {"studies/tiny-2024.txt": entries["studies/tiny-2024.txt"] + b"more"})
    refuse(good, "'studies/tiny-2024.txt' has another size than is listed")
    changed = entries["studies/tiny-2024.txt"].replace(b"a", b"b")
    write(good, entries | {"studies/tiny-2024.txt": changed})
    refuse(good, "'studies/tiny-2024.txt' is not as it was written")


def test_links_and_folders_and_other_packings_are_refused(good: Path) -> None:
    entries = read(good)
    link = zipfile.ZipInfo("studies/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    listed = listing(entries | {"studies/link": b"/etc/passwd"})
    write(good, [(link if name == "studies/link" else name, content) for name, content in listed.items()])
    refuse(good, "'studies/link' is no ordinary file")
    write(good, entries, zipfile.ZIP_BZIP2)
    refuse(good, "is packed in another way")


def test_bombs_are_refused(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = read(good)
    write(good, listing(entries | {"studies/zeros.txt": bytes(20_000_000)}))
    refuse(good, "would unpack to 20,0.* bytes, more than 200 times its size")
    monkeypatch.setattr(restoring, "RATIO", 10_000)
    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 10_000_000))  # type: ignore[attr-defined]
    refuse(good, "bytes unpacked, and the disk has less. Free space")
    monkeypatch.setattr(restoring, "MOST_FILES", 3)
    refuse(good, "has 5 entries")
