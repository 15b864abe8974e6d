"""What goes wrong becomes a page, in this one place; nobody sees a traceback."""

import difflib
from contextlib import suppress

from flask import Flask, Response, current_app, g, make_response, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException, InternalServerError, ServiceUnavailable

from kgraph.errors import KgraphError
from kgraph.names import KG
from kgraph.search import suggest
from kgraph.stores import StoreError
from kgraph.web.links import local_id
from kgraph.web.negotiation import wants_text
from kgraph.web.published import ask, label, snapshot, view

CLASSES = {
    "quotation": KG.Quotation,
    "assertion": KG.Assertion,
    "participant": KG.Participant,
    "theme": KG.Theme,
    "reference": KG.Reference,
    "issue": KG.DataIssue,
    "passage": KG.Passage,
    "coding": KG.Coding,
}


def install(app: Flask) -> None:
    """Registers the handlers."""
    app.register_error_handler(HTTPException, _page)
    app.register_error_handler(KgraphError, _domain_error)


def install_plain(app: Flask) -> None:
    """Registers a handler that answers in plain text, for a site without pages."""

    def told(error: HTTPException) -> Response:
        text = f"{error.code} {error.name}\n{error.description}\n"
        return Response(text, error.code, mimetype="text/plain")

    app.register_error_handler(HTTPException, told)


def _domain_error(error: KgraphError) -> Response:
    """A problem with a file or a query of ours is the site's fault; any other is with what was asked.

    Visitors are not told where the server of the graph stands.
    """
    if isinstance(error, StoreError):
        current_app.logger.error("%s", error)
        return _page(ServiceUnavailable("The server that holds the graph does not answer as it should. Try again in a while."))
    if any(problem.file or problem.line for problem in error.problems):
        current_app.logger.error("%s", error)
        return _page(InternalServerError())
    return _page(BadRequest("; ".join(f"{problem.found}. {problem.remedy}" for problem in error.problems)))


def _page(error: HTTPException) -> Response:
    code = error.code or 500
    message = _message(error)
    if code < 400:
        return make_response(error.get_response())
    if wants_text():
        response = make_response(f"{code} {error.name}\n{message}\n", code)
        response.mimetype = "text/plain"
    else:
        near: list[tuple[str, str]] = []
        if code == 404:
            with suppress(KgraphError, ServiceUnavailable):
                near = near_matches(request.path)
        response = make_response(render_template("error.html", code=code, title=error.name, message=message, near=near), code)
    if code == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ["GET", "HEAD"])
    return response


def _message(error: HTTPException) -> str:
    if isinstance(error, InternalServerError):
        return "Something went wrong on our side. It has been written to the server’s log."
    standard = type(error).description
    if error.code == 404 and error.description == standard:
        return "There is nothing at this address."
    return error.description or ""


def near_matches(path: str) -> list[tuple[str, str]]:
    """Up to six things whose name is like the last part of a path, each as (IRI, name)."""
    parts = [part for part in path.split("/") if part]
    if not parts or "data" in g:
        return []
    if len(parts) >= 4 and parts[0] == "study" and parts[2] in CLASSES:
        under = f"{snapshot().base}study/{parts[1]}/"
        things = {local_id(row["thing"]): row["thing"] for row in ask("things-of-kind", type=CLASSES[parts[2]], study=under)}
        close = difflib.get_close_matches(parts[-1], things, n=6, cutoff=0.5)
        return [(things[name], label(things[name]).en) for name in close]
    hits = suggest(snapshot().folder / "search.sqlite", parts[-1].replace("-", " "), limit=6)
    found = {hit.iri: hit.labels.get("en") or local_id(hit.iri) for hit in hits}
    ids = {local_id(iri): iri for iri in view().labels if "#" not in iri}
    for name in difflib.get_close_matches(parts[-1], ids, n=3, cutoff=0.8):
        found.setdefault(ids[name], label(ids[name]).en)
    return list(found.items())[:6]
