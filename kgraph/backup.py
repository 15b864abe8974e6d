"""A backup: the sources of a workspace in one file (ZIP), with a list of them that holds size and SHA-256 of each.

Nothing that is built goes in, for a build makes the same of the same sources; no hidden files; no key, which stands elsewhere.
Restricted sources do go in: keep the file where the workspace may be kept.
"""

import json
import os
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from kgraph import __version__
from kgraph.errors import fail
from kgraph.integrity import PIECE, checksum
from kgraph.workspace import Workspace, sync_folder

LIST, FORMAT = "kgraph-backup.json", 1  # the name of the list in the archive, and its version
FILES = ("kgraph.toml", "study.schema.json", ".gitignore")
FOLDERS = ("studies", "ontology", "works", "reviews")
TRIES = 3
_PACKED = (".gz", ".zip", ".xlsx", ".pdf", ".png", ".jpg")  # what does not become smaller


@dataclass(frozen=True)
class BackedUp:
    """How many `files` are in a backup, and its `size` in bytes."""

    files: int
    size: int


def back_up(workspace: Workspace, file: Path) -> BackedUp:
    """Writes a backup, whole or not at all. Raises `KgraphError` where the file is there, or sources change all the while."""
    target = file.absolute()
    if target.exists():
        raise fail("there is such a file already", "Choose another name, or delete it", file=file)
    if any(target.is_relative_to(workspace.folder.absolute() / name) for name in FOLDERS):
        raise fail("lies among the sources", "Choose a place elsewhere", file=file)
    if workspace.settings.openalex.key_file:
        key = (workspace.folder / Path(workspace.settings.openalex.key_file).expanduser()).resolve()
        if key.is_relative_to(workspace.folder.resolve()):
            raise fail("the file of the key lies in the workspace, which is shared", "Keep it elsewhere", file=key)
    if fault := name_fault(path.relative_to(workspace.folder).as_posix() for path in source_files(workspace)):
        raise fail(fault, "Give the file another name", file=workspace.folder)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for _ in range(TRIES):
            before = _states(workspace)
            number = _write(workspace, draft)
            if before == _states(workspace):
                break
        else:
            raise fail("the sources change all the while", "Back up when nobody writes", file=workspace.folder)
        os.replace(draft, target)
        sync_folder(target.parent)
    except OSError as error:
        remedy = "Free space, or choose a place where you may write"
        raise fail(f"cannot be written ({error.strerror or error})", remedy, file=error.filename or file) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return BackedUp(number, target.stat().st_size)


def source_files(workspace: Workspace) -> Iterator[Path]:
    """The files that go into a backup, sorted. Raises `KgraphError` for a link to a folder, which is not followed."""
    yield from (path for name in FILES if (path := workspace.folder / name).is_file())
    for top in FOLDERS:
        for root, folders, names in os.walk(workspace.folder / top):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for link in (Path(root), *(Path(root, name) for name in folders)):
                if link.is_symlink():
                    raise fail("is a link to a folder", "Put the folder itself there", file=link)
            yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def name_fault(names: Iterable[str]) -> str:
    """What is wrong with names of files in a backup, as the first that cannot be restored has it; or nothing.

    They are paths with slashes, below the folders of sources or one of the files beside them, without hidden parts, without
    characters that are not shown, and no two are one where capital and small letters are the same.
    """
    kinds: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        inside = name in FILES or (len(parts) > 1 and parts[0] in FOLDERS and not any(part.startswith(".") for part in parts))
        if not inside or not name.isprintable() or "\\" in name or ":" in name or "" in parts:
            return f"{name!r} is no name of a source"
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            known = f"{path}/" if end < len(parts) else path
            folded = unicodedata.normalize("NFC", path).casefold()
            if folded in kinds and (path == name or kinds[folded] != known):
                return f"{name!r} is there twice, or once more with other capital letters"
            kinds[folded] = known
    return ""


def _states(workspace: Workspace) -> list[tuple[str, int, int]]:
    found = []
    for path in source_files(workspace):
        status = path.stat()
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return found


def _write(workspace: Workspace, draft: Path) -> int:
    listed: dict[str, dict[str, Any]] = {}
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in source_files(workspace):
                name = path.relative_to(workspace.folder).as_posix()
                with archive.open(_entry(name), "w", force_zip64=True) as into:
                    listed[name] = _copy(path, into)
            values = {
                "format": FORMAT,
                "kgraph": __version__,
                "name": workspace.settings.name,
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "files": listed,
            }
            values["sha256"] = checksum(values)
            archive.writestr(_entry(LIST), json.dumps(values, indent=1, ensure_ascii=False).encode())
        stream.flush()
        os.fsync(stream.fileno())
    return len(listed)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry


def _copy(path: Path, into: IO[bytes]) -> dict[str, Any]:
    digest, size = sha256(), 0
    with path.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
            size += len(piece)
            into.write(piece)
    return {"size": size, "sha256": digest.hexdigest()}
