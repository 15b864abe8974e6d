"""Files as they were written: sizes and SHA-256 are put down when files are made, and compared when they are used.

A file that is a hard link to one whose digest is known is not read again: inode, size and time of change (of the content, in
nanoseconds) say that it is the same.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from kgraph.errors import fail
from kgraph.workspace import replace_file, sync_folder

MANIFEST, SUMS = "manifest.json", "sums.json"  # of a snapshot; of the store of works
PIECE = 1 << 20
REBUILD = "Build it anew: kgraph build"
_MARK = b"sha256 "


class Depth(IntEnum):
    """How closely files are compared: by presence and size; those that were touched since also by content; or all by content."""

    SIZES = 0
    TOUCHED = 1
    CONTENT = 2


@dataclass(frozen=True)
class Sum:
    """What is put down of a file: `size` in bytes and `sha256` of its content; by `inode` and `mtime_ns` it is known again."""

    size: int
    sha256: str
    inode: int
    mtime_ns: int

    @property
    def key(self) -> tuple[int, int, int]:
        return self.inode, self.size, self.mtime_ns


Sums = dict[str, Sum]  # by path below a folder, with slashes
Known = Mapping[tuple[int, int, int], str]


def take_sums(folder: Path, known: Known | None = None) -> Sums:
    """The sums of all files below a folder but its own list; those that are `known` are not read. Raises `OSError`."""
    found: Sums = {}
    for path in _files(folder):
        status = path.stat()
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        digest = (known or {}).get(key) or file_digest(path)
        found[path.relative_to(folder).as_posix()] = Sum(status.st_size, digest, status.st_ino, status.st_mtime_ns)
    return found


def known_digests(lists: Iterable[Sums]) -> dict[tuple[int, int, int], str]:
    """The digests of files that were put down before, by what they are known again by."""
    return {one.key: one.sha256 for sums in lists for one in sums.values()}


def find_damage(folder: Path, sums: Sums, depth: Depth) -> list[str]:
    """What is wrong with the files below a folder, in a few words each; empty where they are as they were put down."""
    return list(_damage(folder, sums, depth))


def _damage(folder: Path, sums: Sums, depth: Depth) -> Iterator[str]:
    for name, one in sums.items():
        path = folder / name
        try:
            status = path.stat()
            if status.st_size != one.size:
                yield f"{name} has {status.st_size:,} bytes and had {one.size:,}"
            elif depth > Depth.SIZES and (depth is Depth.CONTENT or status.st_mtime_ns != one.mtime_ns):
                found = file_digest(path)
                if found != one.sha256:
                    yield f"{name} has another content than was written"
        except FileNotFoundError:
            yield f"{name} is missing"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, as hex. Raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def write_sealed(path: Path, values: dict[str, Any], known: Known | None = None) -> None:
    """Puts the sums of all files in the folder of `path` into `values` (`files`), then a checksum of all these (`sha256`), and
    writes them there as JSON."""
    values["files"] = {name: asdict(one) for name, one in take_sums(path.parent, known).items()}
    values.pop("sha256", None)
    values["sha256"] = checksum(values)
    replace_file(path, json.dumps(values, indent=1, ensure_ascii=False).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote. Raises `ValueError` where it is not as it was written, `OSError` where it cannot be read.

    What has no list of files (of an earlier kgraph) is taken as it is.
    """
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    if "files" in values and values.get("sha256") != checksum({key: values[key] for key in values if key != "sha256"}):
        raise ValueError("it is not as it was written")
    return values


def sums_of(values: Mapping[str, Any]) -> Sums | None:
    """The sums that a manifest holds, or None for one of an earlier kgraph."""
    return {name: Sum(**one) for name, one in values["files"].items()} if "files" in values else None


def checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a snapshot. Raises `KgraphError` where it is damaged."""
    try:
        manifest = read_sealed(folder / MANIFEST)
        if not isinstance(manifest.get("version"), str):
            raise ValueError("it names no version")
    except (OSError, ValueError) as error:
        raise fail(f"the snapshot is damaged ({error})", REBUILD, file=folder) from error
    return manifest


def check_files(folder: Path, manifest: Mapping[str, Any], depth: Depth = Depth.SIZES) -> None:
    """Compares the files of a snapshot with its manifest. Raises `KgraphError` that names the first that differs."""
    if damage := find_damage(folder, sums_of(manifest) or {}, depth):
        more = f", and {len(damage) - 1} more" if damage[1:] else ""
        raise fail(f"the snapshot is damaged ({damage[0]}{more})", REBUILD, file=folder)


def sync_tree(folder: Path) -> None:
    """Sees to it that all files below a folder, and the folders with their names, survive a power cut."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            descriptor = os.open(os.path.join(root, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(root))


def pack(content: bytes) -> bytes:
    """Content below a line with its checksum, as a file of the cache."""
    return _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def unpack(packed: bytes) -> bytes | None:
    """The content of a file of the cache, or None where it is damaged."""
    content = packed.partition(b"\n")[2]
    return content if packed.startswith(_MARK + hashlib.sha256(content).hexdigest().encode() + b"\n") else None


def _files(folder: Path) -> Iterator[Path]:
    lists = {folder / MANIFEST, folder / SUMS}
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in lists)
