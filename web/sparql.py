"""Where `/sparql` is answered: before Flask, for clients that want data; the page for people is in `querying`."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import get_host

from kgraph import evaluate, protocol
from kgraph.datafiles import open_folder
from kgraph.description import Described, describe_service
from kgraph.errors import KgraphError, Problem, fail
from kgraph.evaluate import Answer, Question, Unanswered
from kgraph.pool import Pool
from kgraph.protocol import Protocol, Request, Response, Target
from kgraph.settings import SparqlLimits

PATHS = ("/sparql", "/sparql/")
BODY = 1 << 20  # bytes of a request, at most
WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Versions(Interface):
    """What can be asked."""

    def current(self) -> Target:
        """The version that is published."""
        ...

    def kept(self, version: str) -> Target:
        """An older one. Raises `KgraphError` when it is not kept."""
        ...

    def described(self, version: str) -> Described:
        """What is to be told of a version that is kept."""
        ...


@dataclass(frozen=True)
class Told:
    """An answer to people, with the `target` that gave it and how long it took (seconds)."""

    answer: Answer
    target: Target
    seconds: float


class Service:
    """Answers queries over the versions of a graph, within limits."""

    def __init__(self, versions: Versions, limits: SparqlLimits) -> None:
        self.versions = versions
        self.limits = limits
        self.pool = Pool(limits)
        self.protocol = Protocol(self.target, self.ask, self.describe, limits)

    def target(self, version: str = "") -> Target:
        """The version of that name, or the current one. Raises `Unanswered` for one that is not kept."""
        current = self.versions.current()
        if version in ("", current.version):
            return current
        try:
            return self.versions.kept(version)
        except KgraphError as error:
            found = f"the version {version!r} is not kept here; the current one is {current.version}"
            raise Unanswered("gone", Problem(found, "Leave out version= to ask that")) from error

    def ask(self, target: Target, question: Question) -> Answer:
        """The answer, by a worker or by the server elsewhere. Raises `Unanswered`."""
        if target.store is not None:
            return self.pool.ask(target.store, question)
        if target.graph is None:
            raise Unanswered("failed", Problem("there is no store to ask"))
        return evaluate.answer(target.graph, question)

    def describe(self, target: Target, address: str, form: str) -> bytes:
        """The description of the service and of what it asks, in a format of `GRAPHS`."""
        return evaluate.write_graph(describe_service(address, self.versions.described(target.version)), form)

    def tell(self, target: Target, question: Question) -> Told:
        """The answer as people read it: its first rows and whether there are more. Raises `Unanswered`."""
        shown = replace(question, results="json", graphs="turtle", part=self.limits.page_rows)
        started = time.perf_counter()
        answer = self.ask(target, shown)
        return Told(answer, target, time.perf_counter() - started)


class Front:
    """Answers `/sparql` for clients that want data, and hands every other request on to the application."""

    def __init__(self, application: WSGI, service: Service, headers: Mapping[str, str]) -> None:
        self.application = application
        self.service = service
        self.headers = list(headers.items())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in PATHS or wants_page(environ):
            return self.application(environ, start_response)
        method = environ["REQUEST_METHOD"]
        response = self._respond(environ, method)
        headers = [*response.headers, *self.headers, ("Content-Length", str(len(response.body)))]
        start_response(f"{response.status} {protocol.phrase(response.status)}", headers)
        return [] if method == "HEAD" else [response.body]

    def _respond(self, environ: dict[str, Any], method: str) -> Response:
        body = b""
        if method == "POST":
            body = environ["wsgi.input"].read(min(_length(environ), BODY + 1))
            if len(body) > BODY:
                return protocol.refusal(413, f"the body has more than {BODY:,} bytes")
        request = Request(
            method,
            environ.get("QUERY_STRING", ""),
            f"{environ['wsgi.url_scheme']}://{get_host(environ)}{environ.get('SCRIPT_NAME', '')}{PATHS[0]}",
            environ.get("CONTENT_TYPE", ""),
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_IF_NONE_MATCH", ""),
            body,
        )
        try:
            return self.service.protocol.respond(request)
        except HTTPException as error:
            return protocol.refusal(error.code or 500, error.description or "")
        except KgraphError as error:  # about our own files
            logging.getLogger(__name__).error("%s", error)
            return protocol.refusal(500, "something went wrong on our side; it has been written to the log")


def _length(environ: dict[str, Any]) -> int:
    """How much of the body to read: all of it where its length is not told."""
    told = environ.get("CONTENT_LENGTH") or ""
    return int(told) if told.isdecimal() else BODY + 1 if environ.get("HTTP_TRANSFER_ENCODING") else 0


def wants_page(environ: Mapping[str, Any]) -> bool:
    """Whether a request to `/sparql` is a person's."""
    method, accept = environ["REQUEST_METHOD"], environ.get("HTTP_ACCEPT", "")
    return (
        method in ("GET", "HEAD", "POST")
        and "html" in accept
        and protocol.prefers_page(accept)
        and "format=" not in environ.get("QUERY_STRING", "")
    )


class OneVersion:
    """Data without a workspace, in a folder (see `kgraph.datafiles`): one version."""

    def __init__(self, folder: Path) -> None:
        found = self.data = open_folder(folder)
        self.target = Target(found.version, found.base, frozenset(found.graphs), folder / "store")

    def current(self) -> Target:
        """See `Versions`."""
        return self.target

    def kept(self, version: str) -> Target:
        """See `Versions`."""
        raise fail(f"there is no version {version!r} but this one")

    def described(self, version: str) -> Described:
        """See `Versions`."""
        found = self.data
        return Described(found.base, found.version, "RDF files", found.graphs, found.default)
