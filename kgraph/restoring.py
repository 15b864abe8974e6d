"""A workspace from a backup, whole or not at all.

The archive may be a stranger's: names, kinds and sizes are taken only as `kgraph backup` writes them, nothing is extracted by
name, and no more is read of an entry than the list says. What differs is refused and leaves nothing behind.
"""

import json
import os
import shutil
import stat
import zipfile
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

from kgraph.backup import FILES, FORMAT, LIST, BackedUp, name_fault
from kgraph.errors import KgraphError, fail
from kgraph.integrity import PIECE, checksum, sync_tree
from kgraph.workspace import sync_folder

LONGEST_LIST = 64 << 20  # bytes
MOST_FILES = 100_000
RATIO = 200  # to how many times its size a backup unpacks at most
REFUSED = "Take another backup: this one is damaged, or kgraph backup did not make it"

Listed = dict[str, tuple[int, str]]  # by name: size and SHA-256


def restore(file: Path, folder: Path) -> BackedUp:
    """Makes a workspace in a new or empty folder from a backup.

    Raises `KgraphError` where the folder is not empty, the backup is damaged or is none, or the disk is full.
    """
    target = folder.absolute()
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise fail("is no new and no empty folder", "Choose another folder", file=folder)
    if not target.parent.is_dir():
        raise fail("there is no such folder", "Make it first, or choose another place", file=target.parent)
    making = target.with_name(f".{target.name}.restoring-{os.getpid()}")
    try:
        with zipfile.ZipFile(file) as archive:
            listed = _read_list(archive, file)
            _check_room(listed, target.parent, file)
            making.mkdir()
            for name, (size, digest) in listed.items():
                _take_out(archive, name, making / name, size, digest, file)
        sync_tree(making)
        os.replace(making, target)
        sync_folder(target.parent)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise _refused(file, f"cannot be read as a backup ({error})") from error
    except OSError as error:
        remedy = "Free space, or look whether the file is there and may be read"
        raise fail(f"cannot be restored ({error.strerror or error})", remedy, file=error.filename or file) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return BackedUp(len(listed), file.stat().st_size)


def _read_list(archive: zipfile.ZipFile, file: Path) -> Listed:
    """The list of a backup, compared with what is in the archive."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(archive.infolist()) > MOST_FILES:
        raise _refused(file, f"has {len(entries):,} entries")
    if fault := name_fault(entry.filename for entry in archive.infolist() if entry.filename != LIST):
        raise _refused(file, fault)
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.is_dir():
            raise _refused(file, f"{entry.filename!r} is no ordinary file")
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(file, f"{entry.filename!r} is packed in another way")
    if sum(name == LIST for name in archive.namelist()) != 1:
        raise _refused(file, f"does not have one {LIST}")
    try:
        with archive.open(LIST) as stream:
            text = stream.read(LONGEST_LIST + 1)
        values = json.loads(text) if len(text) <= LONGEST_LIST else None
        listed = _listed(values)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused(file, f"{LIST} cannot be read") from error
    if differing := sorted(listed.keys() ^ (entries.keys() - {LIST})):
        where = "is listed and not there" if differing[0] in listed else "is there and not listed"
        raise _refused(file, f"{differing[0]!r} {where}")
    if FILES[0] not in listed:
        raise _refused(file, f"has no {FILES[0]}")
    for name, (size, _) in listed.items():
        if entries[name].file_size != size:
            raise _refused(file, f"{name!r} has another size than is listed")
    return listed


def _listed(values: Any) -> Listed:
    """The files of a list. Raises what Python raises where it is none."""
    if values["format"] != FORMAT or values["sha256"] != checksum({key: values[key] for key in values if key != "sha256"}):
        raise ValueError("it is not as it was written")
    found = {name: (one["size"], one["sha256"]) for name, one in values["files"].items()}
    if not all(type(size) is int and size >= 0 and type(digest) is str for size, digest in found.values()):
        raise ValueError("no sizes and checksums")
    return found


def _check_room(listed: Listed, place: Path, file: Path) -> None:
    size = sum(size for size, _ in listed.values())
    if size > RATIO * file.stat().st_size:
        raise _refused(file, f"would unpack to {size:,} bytes, more than {RATIO} times its size")
    if size > shutil.disk_usage(place).free:
        raise fail(f"has {size:,} bytes unpacked, and the disk has less", "Free space, or choose another disk", file=file)


def _take_out(archive: zipfile.ZipFile, name: str, target: Path, size: int, digest: str, file: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found, left = sha256(), size
    with archive.open(name) as source, target.open("xb") as into:
        while piece := source.read(min(PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                break
            found.update(piece)
            into.write(piece)
    if left or found.hexdigest() != digest:
        raise _refused(file, f"{name!r} is not as it was written")


def _refused(file: Path, found: str) -> KgraphError:
    return fail(found, REFUSED, file=file)
