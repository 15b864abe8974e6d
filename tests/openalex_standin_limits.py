"""Keys, prices, the daily budget and the 429s of the stand-in OpenAlex, as the API has them since 2026.

One credit is $0.0001. A request is priced by its path and parameters as they were sent; what ends in an error is free.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from openalex_standin_answers import Answer, Json, RefusedError, error, recorded


@dataclass(frozen=True)
class Plan:
    """What a client may do: credits a day, requests a second, broad boolean searches a second, paid filters."""

    credits: int
    per_second: int
    boolean_per_second: int
    paid: bool = False


ANONYMOUS = Plan(1_000, 10, 1)
FREE = Plan(10_000, 30, 5)
PAID = Plan(2_000_000, 50, 25, paid=True)
KEYS = {"free-key": FREE, "paid-key": PAID}

FREE_FORM = re.compile(r"[a-z]?\d+$|(doi|pmid|pmcid|mag|openalex):", re.IGNORECASE)  # an escaped colon does not count
PAID_FILTER = re.compile(r"(?:from_|to_)?(?:updated|created)_date:[><]?\d{4}-\d{2}-\d{2}")
PAID_SORT = re.compile(r"(?:from_|to_)?(?:updated|created)_date(?::(?:asc|desc))?")
OPERATORS = re.compile(r"\b(?:OR|AND|NOT)\b")
PRICING = "https://openalex.org/pricing"


def price(path: str, query: Mapping[str, str]) -> int:
    """The credits that a request costs, from its path as sent and its parameters."""
    entity, _, rest = path.strip("/").partition("/")
    if entity in ("autocomplete", "rate-limit") or FREE_FORM.match(rest):
        return 0
    if "group_by" in query or "group-by" in query:
        return 1
    return 10 if searches(query) else 1


def searches(query: Mapping[str, str]) -> list[str]:
    """The search texts of a request, from the parameters and the filters."""
    texts = [text for name, text in query.items() if name == "search" or name.startswith("search.")]
    if ".search" in query.get("filter", ""):
        texts.append(query["filter"])
    return texts


def usd(credits: int) -> str:
    """Credits as dollars, written as the API writes numbers."""
    return f"{credits / 10_000:.4f}".rstrip("0").rstrip(".")


@dataclass
class Account:
    """What one client used: a key, or everyone without one."""

    name: str
    plan: Plan
    used: int = 0
    day: str = ""
    lately: deque[float] = field(default_factory=deque)
    last_boolean: float = -60.0

    @property
    def remaining(self) -> int:
        """The credits left for today."""
        return max(0, self.plan.credits - self.used)


class Limits:
    """Counts what clients use. `clock` tells the time in UTC: the budget starts anew when its day changes."""

    def __init__(
        self, keys: Mapping[str, Plan], budget: int | None, per_second: int | None, clock: Callable[[], datetime]
    ) -> None:
        self.clock = clock
        self._accounts = {name: Account(name, plan) for name, plan in {"": ANONYMOUS, **keys}.items()}
        for each in self._accounts.values():
            if budget is not None:
                each.plan = replace(each.plan, credits=budget)
            if per_second is not None:
                each.plan = replace(each.plan, per_second=per_second)
        self._lock = threading.Lock()

    def account(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Account:
        """Whose request this is, by `api_key` or `Authorization: Bearer`; refuses a key it does not know."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        sent = (bearer.strip() if scheme.lower() == "bearer" else "") or query.get("api_key") or query.get("api-key") or ""
        if sent not in self._accounts:
            raise RefusedError(Answer(401, recorded("error_401_invalid_key"), headers={"Cache-Control": "no-store"}))
        found = self._accounts[sent]
        with self._lock:
            today = self.clock().date().isoformat()
            if found.day != today:
                found.day, found.used = today, 0
        return found

    def charge(self, account: Account, query: Mapping[str, str], credits: int) -> None:
        """Takes the credits of a request from the budget, or refuses it for one of the four reasons."""
        if not account.plan.paid:
            refuse_paid(query)
        operators = sum(len(OPERATORS.findall(text)) for text in searches(query))
        now = time.monotonic()
        with self._lock:
            if operators > 5:
                if now - account.last_boolean < 1 / account.plan.boolean_per_second:
                    raise RefusedError(broad_boolean(account, operators))
                account.last_boolean = now
            while account.lately and now - account.lately[0] >= 1:
                account.lately.popleft()
            if len(account.lately) >= account.plan.per_second:
                raise RefusedError(self.too_fast(account, credits))
            account.lately.append(now)
            if credits > account.remaining:
                raise RefusedError(self.spent(account, credits))
            account.used += credits

    def refund(self, account: Account, credits: int) -> None:
        """Gives back the credits of a request that ended in an error."""
        with self._lock:
            account.used = max(0, account.used - credits)

    def too_fast(self, account: Account, credits: int) -> Answer:
        """The 429 for too many requests in a second."""
        message = f"Rate limit exceeded: {account.plan.per_second} requests per second. Please slow down."
        return self._exceeded(account, credits, message, 1)

    def spent(self, account: Account, credits: int, remaining: int | None = None) -> Answer:
        """The 429 for a daily budget that does not suffice: it asks to wait until midnight UTC."""
        left = usd(account.remaining if remaining is None else remaining)
        if account.name:
            message = (
                f"Insufficient budget. This request costs ${usd(credits)} but you only have ${left} remaining. "
                f"Resets at midnight UTC. Need more? Add funds at {PRICING}"
            )
        else:
            message = (
                "Insufficient budget. This request has no API key, so it counts against the free daily budget shared by "
                f"everyone on your network's IP address, and that budget is used up (${left} remaining; resets at "
                'midnight UTC). Use your own key instead: add ?api_key=YOUR_KEY to the URL, or send it as an "Authorization: '
                'Bearer YOUR_KEY" header. Keys are free and have their own budget: https://help.openalex.org/api/authentication/'
            )
        return self._exceeded(account, credits, message, self.seconds_to_midnight(), remaining)

    def _exceeded(self, account: Account, credits: int, message: str, wait: int, remaining: int | None = None) -> Answer:
        left = account.remaining if remaining is None else remaining
        headers = {
            "Retry-After": str(wait),
            "X-RateLimit-Limit-USD": usd(account.plan.credits),
            "X-RateLimit-Remaining-USD": usd(left),
            "X-RateLimit-Prepaid-Remaining-USD": "0",
            "X-RateLimit-Cost-Required-USD": usd(credits),
            "X-RateLimit-Limit": str(account.plan.credits),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Onetime-Remaining": "0",
            "X-RateLimit-Credits-Required": str(credits),
            "X-RateLimit-Reset": str(self.seconds_to_midnight()),
        }
        more = {
            "retryAfter": wait,
            "costUsd": credits / 10_000,
            "dailyRemainingUsd": left / 10_000,
            "prepaidRemainingUsd": 0,
            "creditsRequired": credits,
            "creditsRemaining": left,
            "onetimeCreditsRemaining": 0,
        }
        return error(429, "Rate limit exceeded", message, headers, **more)

    def headers(self, account: Account, credits: int) -> dict[str, str]:
        """The X-RateLimit headers of an answer that cost so many credits."""
        return {
            "X-RateLimit-Cost-USD": usd(credits),
            "X-RateLimit-Credits-Used": str(credits),
            "X-RateLimit-Limit": str(account.plan.credits),
            "X-RateLimit-Limit-USD": usd(account.plan.credits),
            "X-RateLimit-Onetime-Remaining": "0",
            "X-RateLimit-Prepaid-Remaining-USD": "0",
            "X-RateLimit-Remaining": str(account.remaining),
            "X-RateLimit-Remaining-USD": usd(account.remaining),
            "X-RateLimit-Reset": str(self.seconds_to_midnight()),
        }

    def status(self, account: Account) -> Json:
        """What `/rate-limit` tells the owner of a key."""
        budget = {
            "daily_budget_usd": account.plan.credits / 10_000,
            "daily_used_usd": account.used / 10_000,
            "daily_remaining_usd": account.remaining / 10_000,
            "resets_at": f"{self._midnight():%Y-%m-%dT%H:%M:%S}.000Z",
            "resets_in_seconds": self.seconds_to_midnight(),
            "credits_limit": account.plan.credits,
            "credits_used": account.used,
            "credits_remaining": account.remaining,
        }
        return {"api_key": f"{account.name[:3]}...{account.name[-3:]}", "is_grandfathered": False, "rate_limit": budget}

    def seconds_to_midnight(self) -> int:
        """The seconds until the budget starts anew."""
        return max(1, round((self._midnight() - self.clock()).total_seconds()))

    def _midnight(self) -> datetime:
        return datetime.combine(self.clock().date() + timedelta(days=1), datetime.min.time(), UTC)


def refuse_paid(query: Mapping[str, str]) -> None:
    """Refuses the filters and sort orders that need a paid plan: a 429 without Retry-After."""
    for parameter, pattern in (("filter", PAID_FILTER), ("sort", PAID_SORT)):
        if found := pattern.search(query.get(parameter, "")):
            asked = f'The "{found[0]}" filter' if parameter == "filter" else f'Sorting by "{found[0]}"'
            message = f"{asked} requires a Premium, Institutional, or Partner plan. See {PRICING} for details."
            raise RefusedError(error(429, "Plan upgrade required", message))


def broad_boolean(account: Account, operators: int) -> Answer:
    """The 429 for searches with more than five boolean operators that come too fast."""
    rate = account.plan.boolean_per_second
    message = (
        f"Your query uses {operators} boolean operators (OR/AND/NOT). Broad boolean searches are heavy for our search cluster, "
        f"so queries with more than 5 operators are limited to {rate} request{'s' * (rate > 1)} per second per client. "
        "Please wait 1s and retry, space out these requests, or narrow the query (fewer OR/AND/NOT terms)."
    )
    more = {"reason": "broad_boolean_query", "booleanOperators": operators, "retryAfter": 1}
    return error(429, "Rate limit exceeded", message, {"Retry-After": "1"}, **more)
