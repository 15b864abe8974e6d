"""Makes the Flask application.

Pages stand by subject in modules that each offer a blueprint named `pages`; a page asks named queries through
`published.ask` and hands their rows to a template. Which data formats a path has, and how errors look, is decided in
`negotiation` and `errors`, once for all pages.
"""

from pathlib import Path

from flask import Flask, Response, g, redirect, url_for

from kgraph.settings import SparqlLimits
from kgraph.web import (
    about,
    concepts,
    dumps,
    errors,
    evidence,
    facts,
    home,
    lists,
    maps,
    negotiation,
    published,
    querying,
    resources,
    sparql,
    studies,
    words,
    work,
    works,
)
from kgraph.web.limits import HEADERS
from kgraph.web.published import Published
from kgraph.workspace import Workspace


def create_app(workspace: Workspace, limits: SparqlLimits | None = None) -> Flask:
    """The application over whatever `workspace` has published; a newly published snapshot is seen by the next request.

    `limits` of queries are those of the workspace's settings, unless others are given.
    """
    app = _bare()
    app.jinja_env.globals["layout"] = "base.html"
    shown = app.extensions["kgraph"] = Published(workspace, limits)
    published.install(app)
    words.install(app)
    app.jinja_env.globals["sources_of"] = facts.sources_of
    negotiation.install(app)
    errors.install(app)
    for module in (home, concepts, studies, evidence, lists, works, work, maps, about, querying, dumps, resources):
        app.register_blueprint(module.pages)
    _answer_queries(app, shown, shown.limits)
    return app


def create_data_app(folder: Path, limits: SparqlLimits) -> Flask:
    """The application over RDF files that were read into a folder (see `kgraph.datafiles`): the query page and its endpoint."""
    app = _bare()
    app.jinja_env.globals["layout"] = "plain.html"
    app.register_blueprint(querying.pages)
    app.add_url_rule("/", "home", lambda: redirect(url_for("querying.sparql")))
    errors.install_plain(app)
    _answer_queries(app, sparql.OneVersion(folder), limits)
    return app


def _bare() -> Flask:
    app = Flask(__name__)
    app.url_map.strict_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.after_request(_secure)
    return app


def _answer_queries(app: Flask, versions: sparql.Versions, limits: SparqlLimits) -> None:
    querying.install(app)
    service = app.extensions["sparql"] = sparql.Service(versions, limits)
    app.wsgi_app = sparql.Front(app.wsgi_app, service, HEADERS)  # type: ignore[method-assign]


def _secure(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-cache")
    if "view" in g:
        response.headers.setdefault("Kgraph-Version", g.view.snapshot.version)
    return response
