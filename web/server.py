"""Serves the web application with waitress."""

import socket

from kgraph.errors import fail
from kgraph.workspace import Workspace

THREADS = 8


def serve(workspace: Workspace, host: str, port: int) -> None:
    """Serves a workspace until it is stopped; prints the address. Raises `KgraphError` when the address cannot be had."""
    from waitress.server import create_server

    from kgraph.web import create_app

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise fail(
            f"cannot listen on {host}:{port} ({error.strerror})", "Choose another with --port, or stop what uses it"
        ) from error
    server = create_server(create_app(workspace), sockets=[listener], threads=THREADS)
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    print(f"kgraph shows {workspace.folder.name} on http://{shown}:{listener.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
    try:
        server.run()
    finally:
        server.close()
