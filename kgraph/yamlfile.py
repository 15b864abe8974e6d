"""Reads a YAML file so that strings stay strings and every value knows its line.

Only the failsafe schema of YAML 1.2 is used: a scalar is a string (`NO`, `1.10` and `12:30` are not touched); the record
models give it its type. Refused, each with its line: duplicate keys, anchors and aliases, tags, several documents,
nesting beyond `MAX_DEPTH`, files beyond `MAX_BYTES`, bytes that are not UTF-8. libyaml gives the events, which
are taken one by one: nothing recurses, nothing is constructed from tags.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kgraph.errors import KgraphError, fail

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 40
TOO_DEEP = (f"nested more than {MAX_DEPTH} deep", "Nothing in a study file nests so deep")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")

Key = str | int
Location = tuple[Key, ...]


@dataclass(frozen=True)
class YamlFile:
    """What a file says (`data`: dicts, lists, strings and None) and where (`lines`: location to line number, from 1)."""

    path: Path
    data: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int | None:
        """The line of a location, or of the nearest thing around it."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, in Unicode NFC, with LF line ends. Raises `KgraphError` for what cannot be read."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise fail(f"the file has {size:,} bytes", f"Files up to {MAX_BYTES:,} bytes are read: split it", file=path)
        raw = path.read_bytes()
    except OSError as error:
        raise fail(f"cannot be read ({error.strerror})", "Check the path and its permissions", file=path) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise fail(
            f"byte {error.start + 1:,} (0x{raw[error.start]:02x}) is not UTF-8", "Save the file as UTF-8", file=path, line=line
        ) from error
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    if control := CONTROL.search(text):
        raise _control(control[0], path, text.count("\n", 0, control.start()) + 1)
    return text


def _control(character: str, path: Path, line: int) -> KgraphError:
    return fail(f"the control character U+{ord(character):04X} stands in the text", "Remove it", file=path, line=line)


def read_yaml(path: Path) -> YamlFile:
    """Reads one YAML document. Raises `KgraphError` with file, line and remedy for anything that is refused."""
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """The same for a text that stands at the beginning of the file at `path`."""
    if not text.strip():
        raise fail("the file is empty", "Write the file anew, or remove it", file=path)
    try:
        return YamlFile(path, *_build(text, path))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = " ".join(part for part in (error.context, error.problem) if part)
        if "nesting depth" in found:  # libyaml has a limit of its own, which flow collections meet first
            raise fail(*TOO_DEEP, file=path, line=mark.line + 1 if mark else None) from error
        tab = mark is not None and text.splitlines()[mark.line : mark.line + 1] and "\t" in text.splitlines()[mark.line]
        remedy = "Indent with spaces, never with tabs" if tab else "Correct the YAML; quote a text that holds ': ' or ' #'"
        raise fail(found, remedy, file=path, line=mark.line + 1 if mark else None) from error


def _build(text: str, path: Path) -> tuple[Any, dict[Location, int]]:
    lines: dict[Location, int] = {}
    root: list[Any] = []
    stack: list[tuple[Any, Location, list[Any]]] = []  # (container, its location, the key that waits for its value)

    def refuse(found: str, remedy: str, line: int, field: str = "") -> KgraphError:
        return fail(found, remedy, file=path, line=line, field=field)

    def location_of_next() -> Location:
        if not stack:
            return ()
        container, location, key = stack[-1]
        return (*location, key[0] if isinstance(container, dict) else len(container))

    def put(value: Any) -> None:
        if not stack:
            root.append(value)
            return
        container, _, key = stack[-1]
        if isinstance(container, dict):
            container[key.pop()] = value
        else:
            container.append(value)

    def text_of(event: yaml.ScalarEvent, line: int) -> str:
        """A scalar's text; what escapes in double quotes spell is held to the same rules as the file."""
        if event.style != '"':
            return str(event.value)
        if control := CONTROL.search(event.value):
            raise _control(control[0], path, line)
        return unicodedata.normalize("NFC", event.value)

    event: Any
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent) and root:
            raise refuse("a second document starts", "Keep one document a file: remove the line '---'", line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise refuse("anchors (&) and aliases (*) are not read", "Write the text out, or quote it", line)
        if getattr(event, "tag", None):
            raise refuse(f"the tag {event.tag} is not read", "Remove the tag, or quote the text", line)
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
        elif isinstance(event, yaml.ScalarEvent):
            value = text_of(event, line)
            if stack and isinstance(stack[-1][0], dict) and not stack[-1][2]:
                container, location, key = stack[-1]
                if value in container:
                    first = lines[(*location, value)]
                    raise refuse(f"the key stands twice, first on line {first}", "Keep one of them", line, value)
                lines[(*location, value)] = line
                key.append(value)
            else:
                lines.setdefault(location_of_next(), line)
                put(value if value or event.style else None)
        elif isinstance(event, yaml.CollectionStartEvent):
            if stack and isinstance(stack[-1][0], dict) and not stack[-1][2]:
                raise refuse("a key is a list or a mapping", "Keys are plain words", line)
            if len(stack) >= MAX_DEPTH:
                raise refuse(*TOO_DEEP, line)
            container = {} if isinstance(event, yaml.MappingStartEvent) else []
            location = location_of_next()
            lines.setdefault(location, line)
            put(container)
            stack.append((container, location, []))
    if not root:
        raise refuse("the file holds nothing but comments", "Write the file anew, or remove it", 1)
    return root[0], lines
