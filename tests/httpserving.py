"""A real HTTP server in a thread of the test, for what does not depend on which server it is; and requests to servers."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import Flask
from waitress.server import create_server


class Answered(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serves an application on a free port of this machine; its address."""
    server: Any = create_server(app, host="127.0.0.1", port=0, threads=16)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        if "sparql" in app.extensions:
            app.extensions["sparql"].pool.close()


def send(address: str, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str) -> Answered:
    """Sends a request as it stands, and reads the whole answer. `content_type` stands for `Content-Type`, and so on."""
    host = urlsplit(address)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        return Answered(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        connection.close()
