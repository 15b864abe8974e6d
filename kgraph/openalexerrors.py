"""What OpenAlex refuses, and what goes wrong on the way: a class for each, so that the caller can tell them apart.

Every one says what happened and what to do; none holds the key. Rules: https://help.openalex.org/api, and recorded answers.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from kgraph.errors import KgraphError, Problem
from kgraph.validation import nearest

LONGEST_WAIT = 30.0  # seconds that are waited; what lasts longer is told
AGAIN = "Run the same command again later: it goes on where it stopped"


class OpenAlexError(KgraphError):
    """The service could not be asked, or did not answer as it should.

    `passing`: the same request may succeed in a moment. `wait`: the seconds that the service asks to wait, if it does.
    """

    passing = False
    remedy = AGAIN

    def __init__(self, found: str, remedy: str = "", wait: float | None = None) -> None:
        super().__init__(Problem(found, remedy or self.remedy))
        self.wait = wait


class BadRequest(OpenAlexError):
    """400: a filter that does not exist, a value that is wrong."""

    remedy = "Correct the question"


class BadKey(OpenAlexError):
    """401: the service does not know the key."""

    remedy = "Correct OPENALEX_API_KEY (or the file of the key), or unset it: a little goes without a key"


class Forbidden(OpenAlexError):
    """403: not with this key."""

    remedy = "It needs another plan at OpenAlex"


class NotFound(OpenAlexError):
    """404: there is no such work. Works that were merged into others are not found either, since January 2026."""

    remedy = "Check the id"


class PlanNeeded(OpenAlexError):
    """429 that waiting does not help: the question needs a paid plan."""

    remedy = "Leave that filter out, or resume with the key of such a plan"


class BudgetSpent(OpenAlexError):
    """429: the credits of the day are spent. `resume_after` says until when."""

    def __init__(self, found: str, resume_after: datetime, hint: str = "") -> None:
        hours, minutes = divmod(max(0, round((resume_after - datetime.now(UTC)).total_seconds() / 60)), 60)
        again = f"Resume after {resume_after:%Y-%m-%d %H:%M} UTC (in {hours} h {minutes} min)"
        super().__init__(found, f"{again}: the same command goes on where it stopped{hint}")
        self.resume_after = resume_after


class TooFast(OpenAlexError):
    """429: too many requests in a second; several programs may share the key."""

    passing = True


class BroadQuery(OpenAlexError):
    """429: a search with more than five boolean operators came too soon after another."""

    passing = True
    remedy = "Use fewer of AND, OR, NOT, or run the same command again later"


class ServerTrouble(OpenAlexError):
    """5xx: the service is overloaded or broken."""

    passing = True


class Unreachable(OpenAlexError):
    """No connection."""

    passing = True
    remedy = "Check the network, then run the same command again: it goes on where it stopped"


class NoAnswer(OpenAlexError):
    """A time-out."""

    passing = True


class CutShort(OpenAlexError):
    """The answer broke off."""

    passing = True


class Partial(OpenAlexError):
    """The service said itself that its answer is not whole (`meta.timed_out`)."""

    passing = True
    remedy = "Run the same command again later, or ask for less at once (--filter, --from)"


class UnknownForm(OpenAlexError):
    """The answer is not as documented: without `meta`, without results, leading elsewhere."""

    passing = True


class RepeatedCursor(OpenAlexError):
    """The next page is one that was there already: following it would never end."""


def refusal(status: int, headers: Mapping[str, str], body: bytes, key: str) -> OpenAlexError:
    """The error that an answer with a status of 400 or more stands for."""
    told = _Told(headers, body, key)
    if status == 400:
        return _bad_request(told.message)
    if status == 401:
        return BadKey("OpenAlex does not know the key")
    if status == 403:
        return Forbidden(f"OpenAlex does not allow this: {told.message or 'it gives no reason'}")
    if status == 404:
        return NotFound("OpenAlex has no such work")
    if status == 429:
        return _limit(told, bool(key))
    if status >= 500:
        asks = f"it asks to wait {told.wait:,.0f} s" if told.wait else ""
        reason = "; ".join(part for part in (f"{status} {told.message}".strip(), asks) if part)
        error = ServerTrouble(f"OpenAlex is in trouble ({reason})", wait=told.wait)
        error.passing = status != 501 and (told.wait or 0) <= LONGEST_WAIT
        return error
    return UnknownForm(f"OpenAlex answered with the status {status}")


def _bad_request(message: str) -> BadRequest:
    names = re.match(r"(\S+) is not a valid (?:\w+ )?field\..*?: (.*)", message)
    if names:
        return BadRequest(f"OpenAlex knows no field {names[1]!r}", nearest(names[1], names[2].rstrip(".").split(", ")))
    return BadRequest(f"OpenAlex does not take this: {message[:300] or 'it gives no reason'}")


def _limit(told: "_Told", with_key: bool) -> OpenAlexError:
    """The four kinds of 429, told apart by their body; the header alone would make us sleep for hours."""
    if "plan upgrade" in told.error.lower():
        return PlanNeeded(f"this needs a paid plan at OpenAlex: {told.message}")
    if told.body.get("reason") == "broad_boolean_query":
        return BroadQuery(
            "OpenAlex takes searches with more than five of AND, OR, NOT but slowly", wait=min(told.wait or 1, LONGEST_WAIT)
        )
    if "budget" in told.message.lower() or (told.wait or 0) > LONGEST_WAIT:
        now = datetime.now(UTC)
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        until = now + timedelta(seconds=told.wait) if told.wait else midnight
        hint = "" if with_key else ". A free key (OPENALEX_API_KEY) gives ten times as much a day"
        return BudgetSpent("the day's credits at OpenAlex are spent", until, hint)
    return TooFast("OpenAlex says that requests come too fast", wait=told.wait or 1)


class _Told:
    """What a refusal says: its JSON body, if it has one, `error` and `message` in it as one clean line, seconds to `wait`."""

    def __init__(self, headers: Mapping[str, str], body: bytes, key: str) -> None:
        self.body: dict[str, Any] = {}
        try:
            found = json.loads(body)
            self.body = found if isinstance(found, dict) else {}
        except (ValueError, RecursionError):
            pass  # the 404 is HTML, and so may others be
        self.error, self.message = (_clean(self.body.get(name), key) for name in ("error", "message"))
        self.wait = _seconds(headers.get("Retry-After")) or _seconds(self.body.get("retryAfter"))


def _clean(text: object, key: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())
    return line.replace(key, "(key)") if key else line


def _seconds(text: object) -> float | None:
    """Seconds from a Retry-After: a number, or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(str(text)))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(str(text)) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
