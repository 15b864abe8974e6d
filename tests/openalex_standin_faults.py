"""How the stand-in OpenAlex misbehaves when asked to: `MISBEHAVIOURS` is the table of it."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from openalex_standin_answers import Answer, Json, Work, error, not_found, tail
from openalex_standin_limits import Account, Limits


@dataclass(frozen=True)
class Turn:
    """A request while it is being answered: what it asked for, who asked, at what price."""

    path: str
    query: dict[str, str]
    account: Account
    credits: int
    limits: Limits


@dataclass(frozen=True)
class Fault:
    """A misbehaviour of the table, with its value, for so many requests (None: for good), after the first few."""

    name: str
    value: Any = None
    times: int | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if self.name not in MISBEHAVIOURS:
            raise ValueError(f"no misbehaviour {self.name!r}; there are: {', '.join(MISBEHAVIOURS)}")

    @classmethod
    def read(cls, text: str) -> "Fault":
        """A fault from `NAME[=VALUE][,times=N][,after=N]`, as on the command line; values of several are joined by `+`."""
        head, *rest = text.split(",")
        name, _, value = head.partition("=")
        numbers = {key: int(number) for key, _, number in (part.partition("=") for part in rest)}
        usual = MISBEHAVIOURS[name].usual if name in MISBEHAVIOURS else None
        typed = value.split("+") if isinstance(usual, tuple) else type(usual)(value) if value and usual is not None else value
        return cls(name, typed if value else None, **numbers)


@dataclass(frozen=True)
class Misbehaviour:
    """What goes wrong: in the answer, or in a record before it is answered. `usual` is the value it has without one."""

    says: str
    usual: Any = None
    answer: Callable[[Answer, Any, Turn], Answer] = lambda answer, value, turn: answer
    record: Callable[[Work, Any], Work | None] | None = None


@dataclass
class Running:
    """A fault in a running stand-in, and how many requests it has seen."""

    fault: Fault
    seen: int = 0

    def strikes(self) -> bool:
        """Whether the next request is struck; counts it."""
        number, self.seen = self.seen, self.seen + 1
        return number >= self.fault.after and (self.fault.times is None or number < self.fault.after + self.fault.times)

    @property
    def value(self) -> Any:
        """The fault's value, or the usual one."""
        return self.misbehaviour.usual if self.fault.value is None else self.fault.value

    @property
    def misbehaviour(self) -> Misbehaviour:
        """What the fault does."""
        return MISBEHAVIOURS[self.fault.name]


@dataclass
class Faults:
    """The faults that are running."""

    running: list[Running] = field(default_factory=list)

    def start(self, faults: Iterable["str | Fault"]) -> None:
        """Adds faults, by name or in full."""
        self.running += [Running(Fault(each) if isinstance(each, str) else each) for each in faults]

    def striking(self) -> list[Running]:
        """Those that strike the next request."""
        return [each for each in self.running if each.strikes()]


# ---- what goes wrong in an answer


def html_page(status: int, says: str) -> Answer:
    """A page of HTML, as routers and proxies before the API send it."""
    page = f"<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{says}</h1></body></html>\n"
    return Answer(status, html=page.encode())


def overloaded(wait: int) -> Answer:
    """The 503 with which searches are turned away under load."""
    message = (
        "Anonymous search is paused while the search cluster recovers from heavy load. Please retry shortly, or use a free API "
        "key for uninterrupted access: https://openalex.org/rest-api."
    )
    return error(503, "Search temporarily unavailable", message, {"Retry-After": str(wait)})


def took_too_long() -> Answer:
    """The 504 after nine seconds."""
    message = (
        "Your query took too long and was stopped before completing. This usually means a very broad search (e.g. many "
        "OR/AND/NOT terms). Please narrow the query and try again. You were not charged for this request."
    )
    return error(504, "Gateway timeout", message, reason="query_timeout")


def changed(answer: Answer, change: Callable[[Json], None]) -> Answer:
    """A list with something changed in it; other answers stay as they are."""
    if not answer.payload or "meta" not in answer.payload:
        return answer
    payload = answer.payload | {"meta": dict(answer.payload["meta"])}
    change(payload)
    return replace(answer, payload=payload)


def same_cursor(answer: Answer, turn: Turn) -> Answer:
    """The next cursor is the one that was asked for, from the second page on."""
    asked = turn.query.get("cursor", "*")
    return answer if asked == "*" else changed(answer, lambda payload: payload["meta"].update(next_cursor=asked))


def partial(payload: Json) -> None:
    """Half of the results, marked as what was found in time."""
    payload["meta"]["timed_out"] = True
    if "results" in payload:
        payload["results"] = payload["results"][: len(payload["results"]) // 2]


def is_merged(turn: Turn, ids: Iterable[str]) -> bool:
    """Whether a single work was asked for that has been merged into another."""
    return turn.path.startswith("/works/") and tail(turn.path) in {tail(each) for each in ids}


# ---- what goes wrong in a record


def without_author_ids(work: Work, _: object) -> Work:
    """Every first author without an id, every second one the null author, every third one nothing at all."""
    work = work | {"authorships": copy.deepcopy(work.get("authorships"))}
    nobody = {"id": "https://openalex.org/A9999999999", "display_name": None, "orcid": None}
    for number, authorship in enumerate(work["authorships"] or []):
        if number % 3 == 0:
            authorship["author"] = authorship["author"] | {"id": None, "orcid": None}
        else:
            authorship["author"] = nobody if number % 3 == 1 else None
    return work


def without(name: str) -> Callable[[Work, object], Work]:
    """A change that leaves a field out."""
    return lambda work, _: {key: value for key, value in work.items() if key != name}


MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "cut": Misbehaviour(
        "the connection ends after this share of the body", 0.5, lambda answer, share, _: replace(answer, sent=share)
    ),
    "hang_up": Misbehaviour("the connection ends without an answer", answer=lambda answer, *_: replace(answer, sent=0)),
    "half_json": Misbehaviour(
        "a complete answer with half of the JSON", answer=lambda answer, *_: replace(answer, half_json=True)
    ),
    "slow": Misbehaviour(
        "so many seconds before each tenth of the body", 0.2, lambda answer, pause, _: replace(answer, pause=pause)
    ),
    "storm": Misbehaviour("an error of the router, as HTML", 503, lambda _, status, turn: html_page(status, "Application error")),
    "overloaded": Misbehaviour("503 as JSON, asking to wait so many seconds", 60, lambda _, wait, turn: overloaded(wait)),
    "gateway_timeout": Misbehaviour("504 as JSON", answer=lambda *_: took_too_long()),
    "html": Misbehaviour("HTML where JSON should be, with this status", 200, lambda _, status, turn: html_page(status, "Oops")),
    "too_fast": Misbehaviour(
        "429: too many requests a second", answer=lambda _, value, turn: turn.limits.too_fast(turn.account, turn.credits)
    ),
    "spent": Misbehaviour(
        "429 for hours: the daily budget is spent, whatever was used",
        answer=lambda _, value, turn: turn.limits.spent(turn.account, turn.credits, 0),
    ),
    "repeated_cursor": Misbehaviour(
        "from the second page on, the next cursor is the one asked for", answer=lambda answer, _, turn: same_cursor(answer, turn)
    ),
    "no_meta": Misbehaviour(
        "a list without meta", answer=lambda answer, *_: changed(answer, lambda payload: payload.pop("meta"))
    ),
    "timed_out": Misbehaviour("half of the results, and meta.timed_out", answer=lambda answer, *_: changed(answer, partial)),
    "null_authors": Misbehaviour("authors without id, the null author, no author", record=without_author_ids),
    "no_abstract": Misbehaviour("the abstract's key is missing", record=without("abstract_inverted_index")),
    "no_authorships": Misbehaviour("the authorships' key is missing", record=without("authorships")),
    "merged": Misbehaviour(
        "these ids are gone: 404 alone, left out of lists",
        (),
        lambda answer, ids, turn: not_found() if is_merged(turn, ids) else answer,
        lambda work, ids: None if tail(work["id"]) in {tail(each) for each in ids} else work,
    ),
}
