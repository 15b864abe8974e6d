"""The web application: server-rendered pages over a published snapshot. `create_app(workspace)` makes it."""

from kgraph.web.app import create_app

__all__ = ["create_app"]
