"""Asking the stand-in OpenAlex over HTTP, and what came back."""

import http.client
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from openalex_standin import Address


@dataclass
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of a list's works, without the address before them."""
        return [work["id"].rsplit("/", 1)[-1] for work in self.json["results"]]


def ask(address: Address, target: str, key: str = "paid-key", method: str = "GET", **headers: str) -> Got:
    """Asks with a new connection, sending the target as it is."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
    try:
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request(method, target, headers=sent | headers)
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def works(address: Address, **parameters: str | int) -> Got:
    """Asks for a list."""
    return ask(address, "/works?" + "&".join(f"{name}={quote(str(value))}" for name, value in parameters.items()))
