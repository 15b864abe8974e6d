"""The settings of a workspace: what `kgraph.toml` says."""

import re
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kgraph.errors import KgraphError, Problem, fail

DEFAULT_BASE = "https://w3id.org/kgraph/"
_BASE = re.compile(r"https?://[^\s<>\"{}|\\^`]+/")
_SERVICE = re.compile(r"https?://[^\s<>\"{}|\\^`@?#/]+(/[^\s<>\"{}|\\^`@?#]*)?")
KNOWN = "name", "languages", "base", "openalex", "harvests", "sparql", "store"


@dataclass(frozen=True)
class OpenAlexSettings:
    """How OpenAlex is reached: its `address`, a file outside the workspace that holds the key, requests a second."""

    address: str | None = None
    key_file: str | None = None
    per_second: int | None = None


@dataclass(frozen=True)
class SparqlLimits:
    """What queries of strangers may use.

    `workers`: processes that answer them, for each process of the server, one of them kept for short ones; `queue`: queries that
    may wait for one; `seconds` that an answer may take; `memory_mib` of a worker; `rows` (or triples) and `size_mib` of an
    answer; `query_bytes` and `nesting` (of brackets) of a query; `page_rows`: rows that the page shows.
    """

    workers: int = 3
    queue: int = 8
    seconds: float = 10.0
    memory_mib: int = 1024
    rows: int = 100_000
    size_mib: int = 64
    query_bytes: int = 65_536
    nesting: int = 64
    page_rows: int = 500

    def as_settings(self) -> dict[str, int | float]:
        """The same as `kgraph.toml` has it."""
        return {key.replace("_", "-"): value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class StoreSettings:
    """A SPARQL 1.1 server that holds the graph: the addresses of its `query` and `update` services and of its Graph Store
    Protocol (`graph_store`; without it graphs are written by updates), and the seconds that an answer may take (`timeout`)."""

    query: str
    update: str
    graph_store: str | None = None
    timeout: int = 30


@dataclass(frozen=True)
class Settings:
    """`name` of the workspace, its `languages` (BCP 47), and the `base` IRI (ends in a slash) of everything it mints.

    `harvests` are tables of what is asked of OpenAlex, by the name of the harvest, as `kgraph.toml` has them.
    """

    name: str = "kgraph workspace"
    languages: tuple[str, ...] = ("en", "zh-Hans")
    base: str = DEFAULT_BASE
    openalex: OpenAlexSettings = OpenAlexSettings()
    sparql: SparqlLimits = SparqlLimits()
    store: StoreSettings | None = None
    harvests: dict[str, dict[str, Any]] = field(default_factory=dict)


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
        raise KgraphError(replace(problem, line=line_of(text, problem.field)) for problem in problems)
    if "languages" in values:
        values["languages"] = tuple(values["languages"])
    if "openalex" in values:
        values["openalex"] = OpenAlexSettings(**{key.replace("-", "_"): value for key, value in values["openalex"].items()})
    if "store" in values:
        values["store"] = StoreSettings(**{key.replace("-", "_"): value for key, value in values["store"].items()})
    if "sparql" in values:
        values["sparql"] = SparqlLimits(**{key.replace("-", "_"): value for key, value in values["sparql"].items()})
    return Settings(**values)


def line_of(text: str, key: str) -> int | None:
    """The line of TOML on which a key or a table of that name stands; `table.key` is looked for below `[table]`."""
    table, _, last = key.rpartition(".")
    start = re.compile(rf"^[ \t]*\[*[ \t]*{_spelt(table)}[ \t]*\]", re.MULTILINE).search(text) if table else None
    match = re.compile(rf"^[ \t]*{_spelt(last)}[ \t]*=", re.MULTILINE).search(text, start.end()) if start else None
    match = match or start or re.search(rf"^[ \t]*\[*[ \t]*{_spelt(key)}(?![\w-])", text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None


def _spelt(key: str) -> str:
    """A pattern for a dotted key, each part of it in quotation marks or not."""
    return r"[ \t]*\.[ \t]*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in key.split("."))


def _problems(values: dict[str, Any], file: str) -> list[Problem]:
    problems = []
    for key in sorted(values.keys() - set(KNOWN)):
        problems.append(Problem("this key is not known", f"Known here: {', '.join(KNOWN)}", file, field=key))
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
    problems += _service_problems(values.get("openalex", {}), file)
    problems += _store_problems(values.get("store"), file)
    problems += _limit_problems(values.get("sparql", {}), file)
    harvests = values.get("harvests", {})
    if not isinstance(harvests, dict) or not all(isinstance(table, dict) for table in harvests.values()):
        problems.append(
            Problem("is no table of harvests", "Write [harvests.NAME] and below it what is asked", file, field="harvests")
        )
    return problems


def _service_problems(table: Any, file: str) -> list[Problem]:
    if not isinstance(table, dict):
        return [Problem("is no table", "Write [openalex] and below it address, key-file or per-second", file, field="openalex")]
    problems = []
    for key, value in table.items():
        place: Any = {"file": file, "field": f"openalex.{key}"}
        if key in ("key", "api-key", "api_key"):
            remedy = "Put it into OPENALEX_API_KEY, or into a file elsewhere and name that: key-file = ..."
            problems.append(Problem("a key does not belong in a workspace, which is shared", remedy, **place))
        elif key not in ("address", "key-file", "per-second"):
            problems.append(Problem("this key is not known", "Known here: address, key-file, per-second", **place))
        elif key == "per-second" and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100):
            problems.append(Problem("is no number from 1 to 100", "Write per-second = 8", **place))
        elif key != "per-second" and not isinstance(value, str):
            problems.append(Problem("is no text", f'Write {key} = "..."', **place))
    return problems


def _store_problems(table: Any, file: str) -> list[Problem]:
    if table is None:
        return []
    known = "query", "update", "graph-store", "timeout"
    if not isinstance(table, dict):
        return [Problem("is no table", f"Write [store] and below it {', '.join(known)}", file, field="store")]
    problems = []
    for key in ("query", "update"):
        if key not in table:
            remedy = f'Write {key} = "http://127.0.0.1:7878/{key}", for one'
            problems.append(Problem(f"there is no {key}, the address of that service", remedy, file, field="store"))
    remedy = "Put it into KGRAPH_STORE_USER and KGRAPH_STORE_PASSWORD, or KGRAPH_STORE_TOKEN"
    for key, value in table.items():
        place: Any = {"file": file, "field": f"store.{key}"}
        if key in ("user", "username", "password", "token", "key", "api-key", "api_key"):
            problems.append(Problem("a password or a key does not belong in a workspace, which is shared", remedy, **place))
        elif key not in known:
            problems.append(Problem("this key is not known", f"Known here: {', '.join(known)}", **place))
        elif key == "timeout" and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 3600):
            problems.append(Problem("is no number of seconds from 1 to 3600", "Write timeout = 30", **place))
        elif key != "timeout" and isinstance(value, str) and ("@" in value or "?" in value):  # what is wrong is not repeated here
            found = "a password or a key does not belong in a workspace, and an address of a service has no @ and no ?"
            problems.append(Problem(found, remedy, **place))
        elif key != "timeout" and not (isinstance(value, str) and _SERVICE.fullmatch(value)):
            problems.append(Problem("is no address of a service", f'Write {key} = "http://127.0.0.1:7878/{key}"', **place))
    return problems


def _limit_problems(table: Any, file: str) -> list[Problem]:
    defaults = SparqlLimits().as_settings()
    if not isinstance(table, dict):
        return [Problem("is no table", f"Write [sparql] and below it {', '.join(defaults)}", file, field="sparql")]
    problems = []
    for key, value in table.items():
        least = {"workers": 2, "queue": 0, "memory-mib": 128}.get(key, 1)
        if key not in defaults:
            problems.append(Problem("this key is not known", f"Known here: {', '.join(defaults)}", file, field=f"sparql.{key}"))
        elif (
            isinstance(value, bool)
            or not isinstance(value, (int, float) if key == "seconds" else int)
            or not least <= value <= 1_000_000_000
        ):
            remedy = f"Write {key} = {defaults[key]}, for one; not less than {least}"
            problems.append(Problem(f"{value!r} is no such number", remedy, file, field=f"sparql.{key}"))
    return problems
