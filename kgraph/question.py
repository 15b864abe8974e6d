"""What a harvest asks OpenAlex: from the command line or from `kgraph.toml`, and the name it has by default."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from kgraph.errors import KgraphError, fail
from kgraph.openalex import work_id
from kgraph.settings import line_of
from kgraph.validation import nearest
from kgraph.workterms import bare_doi

Kind = Literal["references", "works", "search", "cited-by", "cites"]
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
KEYS = {  # of a table in kgraph.toml: what is asked, an example, what may stand beside it
    "references": ('references = "fan-2024"', ()),
    "doi": ('doi = ["10.1000/182", "W2741809807"]', ()),
    "search": ('search = "peer support"', ("filter", "from", "at-most")),
    "cited-by": ('cited-by = ["fan-2024"]', ("steps", "at-most")),
    "cites": ('cites = ["fan-2024"]', ("steps", "from", "at-most")),
}
NUMBERS = {"from": "from = 2015", "at-most": "at-most = 2000", "steps": "steps = 1"}
FILTER = 'filter = ["type:article"]'


@dataclass(frozen=True)
class Question:
    """What is asked about what.

    `about` is a study (references), a text (search), DOIs and OpenAlex ids (works), or the middle of a net of citations: these,
    and names of studies and harvests. `filters` and `since` (a year) narrow it. `steps` and `at_most` say how far it reaches:
    links from the middle, and works; with None it stops before more than 10,000 would be read.
    """

    kind: Kind
    about: tuple[str, ...]
    filters: tuple[str, ...] = ()
    since: int | None = None
    steps: int = 1
    at_most: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it, without what is not said."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in values.items() if value not in (None, [])}

    def core(self) -> dict[str, Any]:
        """The question without how far it reaches: of a list of works, everything but that it is one."""
        reach = ("steps", "at_most", "about") if self.kind == "works" else ("steps", "at_most")
        return {name: value for name, value in self.as_dict().items() if name not in reach}

    def __str__(self) -> str:
        about = self.about[0] if len(self.about) == 1 else f"{len(self.about)} works"
        text = {
            "references": f"the references of {about}",
            "works": about,
            "search": f"works that match «{about}»",
            "cited-by": f"works cited by {about}",
            "cites": f"works that cite {about}",
        }[self.kind]
        more = [f"in {self.steps} steps"] if self.steps > 1 else []
        more += [f"from {self.since}"] if self.since else []
        more += [f"with {' and '.join(self.filters)}"] if self.filters else []
        return ", ".join([text, *more])

    @property
    def name(self) -> str:
        """The name of the harvest when none is given: what is asked, and a digest of it where that does not say everything."""
        first = slug(self.about[0])
        whole = self.about[0].isascii() and len(first) <= 50 and len(self.about) == 1 and not self.filters and not self.since
        digest = sha256(repr((self.kind, self.about, self.filters, self.since)).encode()).hexdigest()[:8]
        kind = "doi" if self.kind == "works" else self.kind
        return "-".join([part for part in (kind, first[:50].strip("-.")) if part] + ([] if whole else [digest]))


def slug(text: str) -> str:
    """A text as a part of a name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-.")


def references(study: str) -> Question:
    """The works in the reference list of a study."""
    return Question("references", (study,))


def works(named: Sequence[str], file: Path | None = None) -> Question:
    """Works by DOI or OpenAlex id: those named, and those in a file, one a line. Raises `KgraphError` for what is neither."""
    found = [_work(text) for text in named]
    for number, line in enumerate(_read(file).splitlines() if file else (), 1):
        if text := re.sub(r"(^|\s)#.*", "", line).strip():  # a DOI may have # inside
            found.append(_work(text, file, number))
    if not found:
        raise fail("no work is named", "Give DOIs or OpenAlex ids, or a file with one on each line: -f FILE", file=file or "")
    return Question("works", tuple(dict.fromkeys(found)))


def search(text: str, filters: Sequence[str] = (), since: int | None = None, at_most: int | None = None) -> Question:
    """Works that match words in title, abstract or full text. Raises `KgraphError` for what is no search."""
    text = " ".join(text.split())
    if not text:
        raise fail("the search is empty", "Give the words to look for")
    for term in filters:
        if not re.fullmatch(r"[\w.-]+:\S.*", term):
            raise fail(f"{term!r} is no filter", "Write NAME:VALUE, such as type:article or language:en|zh")
    return _bounded(Question("search", (text,), tuple(sorted(set(filters))), since, at_most=at_most))


def around(
    kind: Literal["cited-by", "cites"],
    middle: Sequence[str],
    steps: int = 1,
    since: int | None = None,
    at_most: int | None = None,
) -> Question:
    """Works linked by citations with a middle: DOIs, ids, names of studies and harvests. Raises `KgraphError` for others."""
    if not middle:
        raise fail("nothing is named to start from", "Name DOIs, OpenAlex ids, a study or a harvest")
    found = [work_id(text) or bare_doi(text) or (text if NAME.fullmatch(text) else None) for text in middle]
    if None in found:
        wrong = middle[found.index(None)]
        raise fail(f"{wrong!r} is no DOI, no OpenAlex id and no name", "Name a DOI, an OpenAlex id, a study or a harvest")
    return _bounded(Question(kind, tuple(dict.fromkeys(filter(None, found))), (), since, steps, at_most))


def from_settings(name: str, table: dict[str, Any], file: Path) -> Question:
    """The question that `[harvests.NAME]` asks. Raises `KgraphError` with the line and the key that is wrong."""
    toml = _read(file)

    def wrong(key: str, found: str, remedy: str) -> KgraphError:
        field = ".".join(part for part in ("harvests", name, key) if part)
        return fail(found, remedy, file=file, line=line_of(toml, field), field=field)

    kinds = [key for key in KEYS if key in table]
    if len(kinds) != 1:
        raise wrong("", f"asks for {' and '.join(kinds) or 'nothing'}", f"Give one of {', '.join(KEYS)}")
    kind = kinds[0]
    example, beside = KEYS[kind]
    for key, value in table.items():
        if key not in (kind, *beside):
            remedy = nearest(key, beside) or f"Known beside {kind}: {', '.join(beside) or 'nothing'}"
            raise wrong(key, "this key is not known here", remedy)
        if key in NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise wrong(key, "is no number", f"Write {NUMBERS[key]}")
        elif not isinstance(value, str) and not (key not in ("references", "search") and _is_list(value)):
            raise wrong(key, "is not what belongs here", f"Write {example if key == kind else FILTER}")
    several = {key: [value] if isinstance(value, str) else value for key, value in table.items()}
    about, filters = several[kind], several.get("filter", [])
    since, at_most, steps = table.get("from"), table.get("at-most"), table.get("steps", 1)
    ask: dict[str, Callable[[], Question]] = {
        "references": lambda: references(about[0]),
        "doi": lambda: works(about),
        "search": lambda: search(about[0], filters, since, at_most),
        "cited-by": lambda: around("cited-by", about, steps, None, at_most),
        "cites": lambda: around("cites", about, steps, since, at_most),
    }
    try:
        return ask[kind]()
    except KgraphError as error:
        raise wrong(kind, error.problems[0].found, error.problems[0].remedy) from error


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _bounded(question: Question) -> Question:
    if not 1 <= question.steps <= 5:
        raise fail(f"{question.steps} steps cannot be gone", "Give 1 to 5")
    if question.at_most is not None and question.at_most < 1:
        raise fail(f"at most {question.at_most} works is none", "Give a number from 1 on")
    if question.since is not None and not 1000 <= question.since <= 9999:
        raise fail(f"{question.since} is no year", "Give one such as 2015")
    return question


def _work(text: str, file: Path | None = None, line: int | None = None) -> str:
    if found := work_id(text) or bare_doi(text):
        return found
    raise fail(f"{text!r} is no DOI and no OpenAlex id", "Write 10.1000/182 or W2741809807", file=file or "", line=line)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail("is not UTF-8", "Save the file as UTF-8", file=file) from error
    except OSError as error:
        raise fail(f"cannot be read ({error.strerror})", "Check the path and its permissions", file=file) from error
