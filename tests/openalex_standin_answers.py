"""What the stand-in OpenAlex answers with: the answer itself, the bodies that were recorded, the records it serves."""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

DATA = Path(__file__).parent / "data" / "openalex"
Json = dict[str, Any]
Work = dict[str, Any]
Known = TypeVar("Known")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, and how it goes over the wire.

    The body is `payload` as JSON where there is one, else `html`. `sent` is the share of the body that goes out before
    the connection is closed (1: all of it; 0: not even the head), `pause` the seconds waited before each tenth of it.
    """

    status: int = 200
    payload: Json | None = None
    html: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: float = 1.0
    pause: float = 0.0
    half_json: bool = False

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        if self.payload is None:
            return self.html
        whole = json.dumps(self.payload, ensure_ascii=False).encode()
        return whole[: len(whole) // 2] if self.half_json else whole

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return "text/html; charset=utf-8" if self.payload is None else "application/json"


class RefusedError(Exception):
    """A request that gets an error answer instead of records."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.payload or answer.html)


def error(status: int, title: str, message: str, headers: Mapping[str, str] | None = None, **more: object) -> Answer:
    """An error as OpenAlex words it: `{"error": ..., "message": ...}` and whatever else belongs in it."""
    return Answer(status, {"error": title, "message": message, **more}, headers=headers or {})


def bad_query(message: str) -> RefusedError:
    """The 400 for a parameter that is wrong."""
    return RefusedError(error(400, "Invalid query parameters error.", message))


def bad_page(message: str) -> RefusedError:
    """The 400 for a page, a size or a cursor that is wrong."""
    return RefusedError(error(400, "Pagination error.", message))


def not_imitated(what: str) -> RefusedError:
    """A 501 for what OpenAlex can do and the stand-in cannot: it never guesses."""
    return RefusedError(error(501, "Not in the stand-in", f"The stand-in does not imitate {what}."))


def not_found() -> Answer:
    """The recorded 404, which is HTML."""
    return Answer(404, html=(DATA / "error_404.html").read_bytes())


@cache
def recorded(name: str) -> Json:
    """A recorded JSON body of the data folder, by file name without its ending."""
    found: Json = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


def names_of(name: str) -> list[str]:
    """The valid names that a recorded error lists after its colon."""
    listed: str = recorded(name)["message"].split(": ", 1)[1]
    return listed.rstrip(".").split(", ")


def read_works(path: Path) -> list[Work]:
    """The records of a file of JSON lines, gzipped if its name ends in `.gz`."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.decode("utf-8").split("\n") if line.strip()]


@cache
def real_works() -> tuple[Work, ...]:
    """The 200 recorded works; shared, so never to be changed."""
    return tuple(read_works(DATA / "works.jsonl.gz"))


@cache
def made_up_works() -> tuple[Work, ...]:
    """Three made-up works under DOIs that the example study refers to; shared, so never to be changed."""
    return tuple(read_works(DATA / "made-up.jsonl"))


class Works:
    """The records that are served, and what was worked out about them."""

    def __init__(self, records: Iterable[Work]) -> None:
        self.records = list(records)
        self.by_id = {tail(work["id"]): work for work in self.records}
        self._known: dict[tuple[object, ...], Any] = {}

    def once(self, work: Work, what: tuple[object, ...], make: Callable[[], Known]) -> Known:
        """What `make` gives for a work, made once."""
        key = (work["id"], *what)
        if key not in self._known:
            self._known[key] = make()
        known: Known = self._known[key]
        return known

    def words(self, work: Work, part: str, exact: bool) -> list[str]:
        """The words of a work's title or abstract."""
        return self.once(work, (part, exact), lambda: words_of(text_of(work, part), exact))


def text_of(work: Work, part: str) -> str:
    """The title of a work, or its abstract put together from the inverted index; empty if there is none."""
    if part == "title":
        return str(work.get("title") or "")
    places = [(place, word) for word, at in (work.get("abstract_inverted_index") or {}).items() for place in at]
    return " ".join(word for _, word in sorted(places))


def words_of(text: str, exact: bool) -> list[str]:
    """The words of a text in lower case, cut to a crude stem unless `exact`; `*` and `?` stay in exact ones."""
    found = re.findall(r"[\w*?]+" if exact else r"\w+", text.lower())
    return found if exact else [re.sub(r"(?<=\w{3})(ies|ing|ed|es|s|y|e)$", "", word) for word in found]


def tail(identifier: str) -> str:
    """The last part of an identifier that may be an address, in lower case: `https://openalex.org/W1` -> `w1`."""
    return identifier.rstrip("/").rsplit("/", 1)[-1].lower()


def bare_doi(identifier: str) -> str:
    """A DOI without its prefix, in lower case; empty if there is none in the text."""
    start = identifier.find("10.")
    return identifier[start:].strip().lower() if start >= 0 else ""
