"""Begins a study file: the commented skeleton of `skeleton.yaml`, and the source text beside it."""

import re
from pathlib import Path

from kgraph.anchors import sha256
from kgraph.errors import fail
from kgraph.workspace import PACKAGE, replace_file
from kgraph.yamlfile import read_text


def begin_study(folder: Path, study: str, coder: str, text: Path | None = None) -> Path:
    """Writes the skeleton of a study file into `folder`, with its source text beside it when there is one; the file's path.

    Raises `KgraphError` for an id of the wrong form, a study that is there already, or a text that cannot be read.
    """
    for word in (study, coder):
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", word):
            raise fail(f"{word!r} is no id", "Write small letters and digits, joined by single hyphens: fan-2024")
        if len(word) > 120:
            raise fail(f"the id has {len(word)} letters", "Write at most 120")
    path = folder / f"{study}.yaml"
    if path.exists() or path.with_suffix(".yml").exists():
        raise fail("the study is there already", "Choose another id, or go on with that file", file=path)
    source, known = "", 'secondary: "the abstract"       # where the study is known from; with a source text: remove this line'
    if text is not None:
        words = read_text(text)
        if path.with_suffix(".txt").exists():
            raise fail("the text is there already", "Choose another id, or remove the text", file=path.with_suffix(".txt"))
        source = (
            f'\nsource:                         # the text beside this file\n  file: "{study}.txt"\n  sha256: "{sha256(words)}"\n'
        )
        source += "  creator:                      # its authors\n  # license: https://creativecommons.org/licenses/by/4.0/\n"
        known = ""
        _write(path.with_suffix(".txt"), words)
    skeleton = (PACKAGE / "skeleton.yaml").read_text(encoding="utf-8").format(id=study, coder=coder, source=source, known=known)
    _write(path, re.sub(r"\n{3,}", "\n\n", skeleton))
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise fail(f"cannot be written ({error.strerror})", "Check the folder and its permissions", file=path) from error
