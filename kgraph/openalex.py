"""OpenAlex (https://openalex.org), asked through pyalex 0.21: the one module that knows the ways of both.

pyalex makes the addresses and reads the answers. What it cannot be left to do is done here:

- its host is fixed: `_Transport` sends a request to the address that is set, with the key in a header, never in an address;
- its own retries sleep through a `Retry-After` of hours and lose the body that says why: here refusals are read, short waits
  are waited, long ones become an error that says when to resume;
- its queries change when they are extended or read: each request makes a new one;
- its paginator stops at 10,000 works and follows a repeated cursor for ever: here a call is one page, the cursor the caller's;
- it escapes the colon of `doi:`, which makes a free look-up cost a credit: single works are addressed here;
- a broken answer surfaces as KeyError, TypeError or JSONDecodeError: here every failure is an `OpenAlexError`.

One credit is $0.0001. A single work by id or DOI, and titles by their beginning, are free; a page of a list costs 1, of a
search 10.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pyalex
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from kgraph import __version__
from kgraph.errors import fail
from kgraph.openalexerrors import (
    BadRequest,
    CutShort,
    NoAnswer,
    OpenAlexError,
    Partial,
    UnknownForm,
    Unreachable,
    refusal,
)
from kgraph.settings import OpenAlexSettings
from kgraph.workterms import openalex_id

API = "https://api.openalex.org"
PAGE = 100  # works a page, and ids a filter, at most
LONGEST_ADDRESS = 7_500  # characters; the service takes 8,190 bytes for the whole request line
LARGEST_ANSWER = 1 << 28
LIST, SEARCH = 1, 10  # credits a page
OPERATORS = re.compile(r"\b(?:AND|OR|NOT)\b")


@dataclass(frozen=True)
class Access:
    """Where the service is and who asks: `key` may be empty; `per_second` is how many requests a second are sent at most."""

    address: str = API
    key: str = field(default="", repr=False)
    per_second: int = 8

    @property
    def broad_per_second(self) -> int:
        """The same for searches with more than five boolean operators."""
        return min(self.per_second, 4 if self.key else 1)


@dataclass(frozen=True)
class Patience:
    """Seconds: to connect, to the next byte, for a whole answer, and the first wait before a request is tried again."""

    connect: float = 10
    read: float = 30
    whole: float = 120
    first_wait: float = 0.5
    tries: int = 4


@dataclass(frozen=True)
class Answer:
    """One answer: the records as received, how many there are in all, the cursor of the next page (None: there is none)."""

    records: list[dict[str, Any]]
    count: int
    cursor: str | None
    credits: int


def find_access(settings: OpenAlexSettings, folder: Path, environment: Mapping[str, str]) -> Access:
    """How to reach the service, from the environment and the settings of the workspace in `folder`.

    `OPENALEX_ADDRESS` and `OPENALEX_API_KEY` go before `address` and `key-file`. A workspace comes from others: the key is not
    sent to an address that only the workspace names, unless that is this machine. Raises `KgraphError`, never with the key.
    """
    address = (environment.get("OPENALEX_ADDRESS") or settings.address or API).strip().rstrip("/")
    parts = urlsplit(address)
    local = is_local(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username or re.search(r"\s", address):
        raise fail(f"{address!r} is no address of a service", f"Write one such as {API}", field="OPENALEX_ADDRESS")
    if parts.scheme == "http" and not local:
        raise fail(f"{address} is not encrypted", "Use https: plain http is for this machine", field="OPENALEX_ADDRESS")
    key = environment.get("OPENALEX_API_KEY", "").strip() or _read_key(settings, folder)
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise fail("the key has characters that no key has", "Copy it again", field="OPENALEX_API_KEY")
    trusted = local or address == API or bool(environment.get("OPENALEX_ADDRESS"))
    return Access(address, key if trusted else "", settings.per_second or (25 if key else 8))


def is_local(address: str) -> bool:
    """Whether an address is one of this machine."""
    return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")


def _read_key(settings: OpenAlexSettings, folder: Path) -> str:
    if not settings.key_file:
        return ""
    path = folder / Path(settings.key_file).expanduser()
    if path.resolve().is_relative_to(folder.resolve()):
        raise fail("the file of the key lies in the workspace, which is shared", "Keep it elsewhere", field="openalex.key-file")
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise fail("the file of the key cannot be read", "Check the path", file=path, field="openalex.key-file") from error


def work_id(text: str) -> str | None:
    """The id of a work, such as W123, from any of its forms, or None."""
    return openalex_id(text)


def batches(name: str, values: Sequence[str]) -> Iterator[list[str]]:
    """Cuts values of the filter `name` into as few lists as the service takes: by number, and by the length of the address.

    What has a character that filters give a meaning to comes alone, to be asked as a single work.
    """
    batch: list[str] = []
    length = len(name)
    for value in values:
        if re.search(r"[,|\"!]", value):
            yield [value]
            continue
        size = len(quote_plus(value)) + 3
        if len(batch) == PAGE or length + size > LONGEST_ADDRESS - 500:
            yield batch
            batch, length = [], len(name)
        batch.append(value)
        length += size
    if batch:
        yield batch


class Client:
    """Asks the service, one request after the other. `left` is what remains of the day's credits (None: not told yet)."""

    def __init__(self, access: Access, patience: Patience | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.access = access
        self._patience = patience or Patience()
        self._sleep = sleep
        self._transport = _Transport(access, self._patience, sleep)
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, self._transport)

    @property
    def left(self) -> int | None:
        return self._transport.left

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._transport.sent

    def close(self) -> None:
        self._session.close()

    def page(self, filters: Sequence[str] = (), search: str = "", cursor: str = "*") -> Answer:
        """A page of the works that fulfil all `filters` (`name:value`, values joined by |) and match `search`.

        Raises `OpenAlexError`.
        """
        parameters: dict[str, Any] = {"per_page": PAGE, "cursor": cursor}
        if filters:
            parameters["filter"] = list(filters)
        if search:
            parameters["search"] = search
        query = pyalex.Works(parameters)
        texts = " ".join([search, *(term for term in filters if ".search" in term)])
        return self._ask(query, query.url, SEARCH if texts.strip() else LIST, len(OPERATORS.findall(texts)) > 5)

    def work(self, identifier: str) -> Answer:
        """A single work by its id (`W123`) or its DOI (`doi:10.1000/182`). Raises `NotFound` and other `OpenAlexError`."""
        return self._ask(pyalex.Works(), f"{API}/works/{quote(identifier, safe=':/')}", 0)

    def titles(self, beginning: str) -> Answer:
        """Works whose title begins like this: short records with `id`, `display_name` and, in `external_id`, the DOI."""
        query = pyalex.Works({"q": beginning})
        return self._ask(query, f"{API}/autocomplete/works?{query._url_query()}", 0)

    def _ask(self, query: Any, address: str, price: int, broad: bool = False) -> Answer:
        if len(address) > LONGEST_ADDRESS:
            raise BadRequest("the question is too long for the service", "Split it into several")
        for attempt in range(1, self._patience.tries + 1):
            try:
                return self._ask_once(query, address, price, broad)
            except OpenAlexError as error:
                if not error.passing or attempt == self._patience.tries:
                    raise
                self._sleep(error.wait or self._patience.first_wait * 2 ** (attempt - 1))
        raise AssertionError

    def _ask_once(self, query: Any, address: str, price: int, broad: bool) -> Answer:
        self._transport.broad = broad
        try:
            found = query._get_from_url(address, self._session)
        except (requests.JSONDecodeError, UnicodeDecodeError) as error:
            raise CutShort("the answer is broken off, or no JSON") from error
        except requests.RequestException as error:
            raise UnknownForm(f"the answer leads nowhere ({type(error).__name__})") from error
        except KeyError as error:
            raise UnknownForm(f"the answer has no {error}") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UnknownForm("the answer has not the form that is documented") from error
        credits = self._transport.used
        if isinstance(found, dict):
            return Answer([found], 1, None, price if credits is None else credits)
        meta = found.meta
        if not isinstance(meta, dict) or not isinstance(meta.get("count"), int):
            raise UnknownForm("the answer does not say how many there are")
        if meta.get("timed_out"):
            raise Partial("the service broke its search off, and the answer is partial")
        cursor = meta.get("next_cursor")
        if not isinstance(cursor, str | None):
            raise UnknownForm("the cursor of the answer is no text")
        return Answer(list(found), meta["count"], cursor or None, price if credits is None else credits)


class _Transport(HTTPAdapter):
    """Sends requests to the address that is set, no faster than allowed, and reads each answer whole or not at all."""

    def __init__(self, access: Access, patience: Patience, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self.access, self.patience, self.sleep = access, patience, sleep
        self.sent, self.broad = 0, False
        self.left: int | None = None
        self.used: int | None = None  # credits of the last answer, as far as it told them
        self._lately: deque[float] = deque()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """The whole answer. Raises `OpenAlexError` for every refusal, and for an answer that did not come whole."""
        request = request.copy()
        request.url = self._address(request.url or "")
        request.headers["User-Agent"] = f"kgraph/{__version__} pyalex/{pyalex.__version__}"
        request.headers.pop("Authorization", None)
        if self.access.key:
            request.headers["Authorization"] = f"Bearer {self.access.key}"
        self._keep_pace()
        self.sent += 1
        times = self.patience.connect, self.patience.read
        try:
            through = {} if is_local(self.access.address) else get_environ_proxies(request.url)
            response = super().send(request, True, times, verify, cert, through)
            body = self._read(response)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise NoAnswer("the service does not answer in time") from error
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as error:
            raise CutShort("the answer was broken off") from error
        except (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError) as error:
            if error.args and isinstance(error.args[0], urllib3.exceptions.ProtocolError):
                raise CutShort("the service hung up without an answer") from error
            raise Unreachable(f"{self.access.address} cannot be reached ({_reason(error)})") from error
        finally:
            self._lately.append(time.monotonic())
        self._note(response.headers)
        if response.status_code >= 400:
            raise refusal(response.status_code, response.headers, body, self.access.key)
        response.raw = BytesIO(body)
        return response

    def _address(self, url: str) -> str:
        for known in (API, self.access.address):
            if url.startswith(known + "/"):
                return self.access.address + url[len(known) :]
        raise UnknownForm(f"the answer leads to another host ({urlsplit(url).hostname})")

    def _keep_pace(self) -> None:
        """Waits until fewer requests than allowed were answered within the last second: it cannot have got more than that."""
        allowed = self.access.broad_per_second if self.broad else self.access.per_second
        while len(self._lately) > allowed:
            self._lately.popleft()
        if len(self._lately) == allowed and (wait := self._lately[0] + 1 - time.monotonic()) > 0:
            self.sleep(wait)

    def _read(self, response: requests.Response) -> bytes:
        """The body, decoded; piece by piece, so that one that drips does not hold us for ever."""
        body, end = bytearray(), time.monotonic() + self.patience.whole
        try:
            while piece := response.raw.read1(1 << 16, decode_content=True):
                body += piece
                if len(body) > LARGEST_ANSWER:
                    raise UnknownForm("the answer is larger than any that is meant")
                if time.monotonic() > end:
                    raise NoAnswer("the answer drips too slowly")
        except BaseException:
            response.close()
            raise
        return bytes(body)

    def _note(self, headers: Mapping[str, str]) -> None:
        left, used = headers.get("X-RateLimit-Remaining", ""), headers.get("X-RateLimit-Credits-Used", "")
        self.left = int(left) if left.isdecimal() else self.left
        self.used = int(used) if used.isdecimal() else None


def _reason(error: BaseException) -> str:
    """What lies at the bottom of an error, in a few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or type(error).__name__
