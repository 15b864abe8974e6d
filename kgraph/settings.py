"""The settings of a workspace: what `kgraph.toml` says."""

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgraph.errors import KgraphError, Problem, fail

DEFAULT_BASE = "https://w3id.org/kgraph/"
_BASE = re.compile(r"https?://[^\s<>\"{}|\\^`]+/")


@dataclass(frozen=True)
class Settings:
    """`name` of the workspace, its `languages` (BCP 47), and the `base` IRI (ends in a slash) of everything it mints."""

    name: str = "kgraph workspace"
    languages: tuple[str, ...] = ("en", "zh-Hans")
    base: str = DEFAULT_BASE


def read_settings(path: Path) -> Settings:
    """Reads `kgraph.toml`. Raises `KgraphError` that names the key which is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise fail("is not UTF-8", "Save the file as UTF-8", file=path) from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise fail(str(error), "Correct the TOML", file=path, line=int(line[1]) if line else None) from error
    except OSError as error:
        raise fail(f"cannot be read ({error.strerror})", "Check the path and its permissions", file=path) from error
    if problems := _problems(values, str(path)):
        raise KgraphError(replace(problem, line=_line(text, problem.field)) for problem in problems)
    if "languages" in values:
        values["languages"] = tuple(values["languages"])
    return Settings(**values)


def _line(text: str, key: str) -> int | None:
    """The line on which a key or a table of that name stands."""
    match = re.search(rf"^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None


def _problems(values: dict[str, Any], file: str) -> list[Problem]:
    problems = []
    for key in sorted(values.keys() - {"name", "languages", "base"}):
        problems.append(Problem("this key is not known", "Known here: name, languages, base", file, field=key))
    if not isinstance(values.get("name", ""), str):
        problems.append(Problem("is no text", 'Write name = "..."', file, field="name"))
    languages = values.get("languages", [])
    if not isinstance(languages, list) or not all(isinstance(language, str) for language in languages):
        problems.append(Problem("is no list of languages", 'Write languages = ["en", "zh-Hans"]', file, field="languages"))
    base = values.get("base", DEFAULT_BASE)
    if not isinstance(base, str) or not _BASE.fullmatch(base):
        problems.append(
            Problem(f"{base!r} is no web address that ends in a slash", f'Write base = "{DEFAULT_BASE}"', file, field="base")
        )
    return problems
