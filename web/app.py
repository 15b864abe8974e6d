"""Makes the Flask application.

Pages stand by subject in modules that each offer a blueprint named `pages`; a page asks named queries through
`published.ask` and hands their rows to a template. Which data formats a path has, and how errors look, is decided in
`negotiation` and `errors`, once for all pages.
"""

from flask import Flask, Response

from kgraph.web import (
    about,
    concepts,
    errors,
    evidence,
    facts,
    home,
    lists,
    maps,
    negotiation,
    published,
    resources,
    studies,
    words,
    work,
    works,
)
from kgraph.web.published import Published
from kgraph.workspace import Workspace

HEADERS = {
    "Content-Security-Policy": "; ".join(
        ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(workspace: Workspace) -> Flask:
    """The application over whatever `workspace` has published; a newly published snapshot is seen by the next request."""
    app = Flask(__name__)
    app.url_map.strict_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["kgraph"] = Published(workspace)
    published.install(app)
    words.install(app)
    app.jinja_env.globals["sources_of"] = facts.sources_of
    negotiation.install(app)
    errors.install(app)
    for module in (home, concepts, studies, evidence, lists, works, work, maps, about, resources):
        app.register_blueprint(module.pages)
    app.after_request(_secure)
    return app


def _secure(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-cache")
    return response
