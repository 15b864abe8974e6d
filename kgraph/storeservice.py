"""Requests to a SPARQL server: who asks, how long it may take, and when an answer is none (SPARQL 1.1 Protocol, RFC 9110).

An answer is whole, or it is an error. Credentials come from the environment alone and stand in no log, message or manifest.
"""

import base64
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from kgraph import __version__
from kgraph.errors import KgraphError, fail
from kgraph.stores import StoreError

CONNECT = 5.0  # seconds
LARGEST_ANSWER = 256 << 20  # bytes
TOLD = 300  # characters of what a server says that are repeated
# headers by which servers say that an answer with the status 200 is not all of it
PARTIAL = "X-SQL-State", "X-SQL-Message"
_PIECE = 1 << 16


@dataclass(frozen=True)
class Credentials:
    """A name and a password, or a token; all empty: none. They are not shown."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"

    def hide(self, text: str) -> str:
        """A text without them, in whatever form they were sent."""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        for secret in (pair if self.user else "", self.password, self.token):
            text = text.replace(secret, "***") if secret else text
        return text


def find_credentials(address: str, environment: Mapping[str, str] = os.environ) -> Credentials:
    """The credentials for a server, from KGRAPH_STORE_USER and KGRAPH_STORE_PASSWORD, or KGRAPH_STORE_TOKEN.

    A workspace comes from others: to another machine they are sent only where KGRAPH_STORE_HOST names it. Raises `KgraphError`.
    """
    user, password, token, host = (environment.get(f"KGRAPH_STORE_{name}", "") for name in ("USER", "PASSWORD", "TOKEN", "HOST"))
    found = Credentials(user, password, token.strip())
    if found == Credentials():
        return found
    if token and (user or password):
        raise _failed("both a password and a token are set", "Unset one of them", "KGRAPH_STORE_TOKEN")
    if bool(user) != bool(password):
        raise _failed("a name and a password belong together", "Set KGRAPH_STORE_PASSWORD too", "KGRAPH_STORE_USER")
    if not re.fullmatch(r"[\x21-\x7e]*", found.token) or not (user + password).isprintable() or ":" in user:
        raise _failed("the credentials have characters that none have", "Copy them again", "KGRAPH_STORE_*")
    named = urlsplit(address).hostname or ""
    if named not in ("localhost", "127.0.0.1", "::1", host.strip().lower()):
        remedy = f"If they are meant for {named}, say so: KGRAPH_STORE_HOST={named}"
        raise _failed(f"the credentials are not sent to {named}, which only the workspace names", remedy, "KGRAPH_STORE_HOST")
    return found


@dataclass(frozen=True)
class Reply:
    """A whole answer: its media type (without parameters), its headers and its body."""

    media: str
    headers: Mapping[str, str]
    body: bytes


class Malformed(StoreError):
    """The server does not take the query for SPARQL; `told` is what it says of it."""

    def __init__(self, told: str, error: KgraphError) -> None:
        self.told = told
        super().__init__(error.problems)


class Service:
    """Sends requests to a server. Each thread has connections of its own."""

    def __init__(self, credentials: Credentials, timeout: float, largest: int = LARGEST_ANSWER) -> None:
        self.credentials, self.timeout, self.largest = credentials, timeout, largest
        self._own = threading.local()
        self._digest: HTTPDigestAuth | None = None

    def send(
        self,
        method: str,
        address: str,
        *,
        data: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        again: bool = False,
    ) -> Reply:
        """The answer to a request. Raises `StoreError`, with what the server said, unless it is a whole one of the status 2xx.

        `again`: sent once more where the server hangs up at once, as it may on a connection that was open for long.
        """
        seconds = timeout or self.timeout
        end = time.monotonic() + seconds
        asked: dict[str, Any] = {"data": data, "params": params, "headers": {**_HEADERS, **(headers or {})}}
        try:
            try:
                response = self._request(method, address, asked, seconds)
            except requests.ConnectionError as error:
                if not again or not _hung_up(error):
                    raise
                response = self._request(method, address, asked, seconds)
            if response.status_code == 401 and self.credentials.user and not self._digest and "basic" not in _scheme(response):
                response.close()
                self._digest = HTTPDigestAuth(self.credentials.user, self.credentials.password)
                response = self._request(method, address, asked, seconds)
            with response:
                body = self._read(address, response, end, seconds)
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise self._slow(address, seconds) from error
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError) as error:
            if _hung_up(error):
                raise _broken(address, "it hung up in the middle") from error
            found = f"the SPARQL server cannot be reached at {address} ({self._reason(error)})"
            raise _failed(found, "Start it, or correct [store] in kgraph.toml") from error
        self._check(address, response, body)
        return Reply(response.headers.get("Content-Type", "").partition(";")[0].strip().lower(), response.headers, body)

    def _request(self, method: str, address: str, asked: dict[str, Any], seconds: float) -> requests.Response:
        session = getattr(self._own, "session", None)
        if session is None or self._own.process != os.getpid():
            session = self._own.session = requests.Session()
            self._own.process = os.getpid()
        auth: AuthBase = self._digest or _Header(self.credentials)  # never one from ~/.netrc
        times = min(CONNECT, seconds), seconds
        found: requests.Response = session.request(
            method, address, **asked, auth=auth, stream=True, allow_redirects=False, timeout=times
        )
        return found

    def _read(self, address: str, response: requests.Response, end: float, seconds: float) -> bytes:
        """The body, piece by piece, so that one that drips does not hold us for ever."""
        body = bytearray()
        told = response.headers.get("Content-Length", "")
        connection = getattr(response.raw, "connection", None)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise self._slow(address, seconds)
            if (socket := getattr(connection, "sock", None)) is not None:
                socket.settimeout(left)
            piece = response.raw.read1(_PIECE, decode_content=True)
            if not piece:
                break
            body += piece
            if len(body) > self.largest:
                raise _failed(f"the answer of the SPARQL server is larger than {self.largest:,} bytes", "Ask for less")
        if told.isdecimal() and int(told) != len(body) and "Content-Encoding" not in response.headers:
            raise _broken(address, f"{len(body):,} of {int(told):,} bytes came")
        return bytes(body)

    def _check(self, address: str, response: requests.Response, body: bytes) -> None:
        status = response.status_code
        if status in (401, 403):
            remedy = "Set KGRAPH_STORE_USER and KGRAPH_STORE_PASSWORD, or KGRAPH_STORE_TOKEN, as the server wants them"
            raise _failed(f"the SPARQL server refuses access to {address} ({status})", remedy)
        if not 200 <= status < 300:
            told = self._told(body)
            error = _failed(f"the SPARQL server answers {status} at {address}: {told}", "See what it says of it in its own log")
            raise Malformed(told, error) if status == 400 else error
        for header in PARTIAL:
            if header in response.headers:
                told = self._told(response.headers[header].encode())
                raise _failed(f"the SPARQL server gave a part of the answer only ({header}: {told})", "Raise its limits")

    def _told(self, body: bytes) -> str:
        """What a server says, in a line, without markup and without credentials."""
        text = re.sub(r"<[^<>\s][^<>]{0,200}>", " ", body[:20_000].decode("utf-8", "replace"))
        text = " ".join(self.credentials.hide(text).split())
        return (text if len(text) <= TOLD else text[: TOLD - 1] + "…") or "nothing"

    def _slow(self, address: str, seconds: float) -> StoreError:
        found = f"the SPARQL server did not answer within {seconds:g} s at {address}"
        return _failed(found, "Ask for less, or raise timeout in [store]")

    def _reason(self, error: BaseException) -> str:
        """What lies at the bottom of an error, in a few words."""
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        return self.credentials.hide(str(getattr(error, "strerror", None) or type(error).__name__))


_HEADERS = {"User-Agent": f"kgraph/{__version__}", "Accept-Encoding": "identity"}


class _Header(AuthBase):
    """Credentials as a header, where there are any."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.credentials.token:
            request.headers["Authorization"] = f"Bearer {self.credentials.token}"
        elif self.credentials.user:
            HTTPBasicAuth(self.credentials.user.encode(), self.credentials.password.encode())(request)
        return request


def _hung_up(error: Exception) -> bool:
    found = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    return isinstance(found, urllib3.exceptions.ProtocolError)


def _scheme(response: requests.Response) -> str:
    return response.headers.get("WWW-Authenticate", "").lower()


def _failed(found: str, remedy: str, field: str = "") -> StoreError:
    return StoreError(fail(found, remedy, field=field).problems)


def _broken(address: str, how: str) -> StoreError:
    return _failed(f"the answer of the SPARQL server at {address} did not come whole ({how})", "Try again; see the server's log")
