"""Reading pages as tests do: what a page holds, and all pages that can be reached."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from flask.testing import FlaskClient

OF_ONE_KIND = 10


class Page(HTMLParser):
    """The links, ids, headings and what is forbidden in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.forbidden: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag in ("a", "link") and values.get("href"):
            self.links.append(str(values["href"]))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("script", "style", "iframe", "img") or any(name == "style" or name.startswith("on") for name in values):
            self.forbidden.append(tag)


def crawl(client: FlaskClient) -> Iterator[tuple[str, str, Page]]:
    """The pages that can be reached, as their address, the page that first links to them, and what they hold.

    Of pages that differ only in the last part of their address, `OF_ONE_KIND` are read; of the others, the data.
    """
    found = {"/": ""}
    waiting = ["/"]
    read: Counter[str] = Counter()
    while waiting:
        address = waiting.pop(0)
        kind = re.sub(r"[^/=&]+(?=$|&)", "*", address)
        read[kind] += 1
        if read[kind] > OF_ONE_KIND and address.startswith(("/study/", "/concept/")):
            if "?" not in address:
                assert client.get(f"{address}.ttl").status_code == 200, f"{found[address]} links to {address}"
            continue
        response = client.get(address)
        if response.status_code in (301, 302, 308):
            assert urlsplit(response.location).path in found, f"{address} leads to {response.location}"
            continue
        assert response.status_code == 200, f"{found[address]} links to {address}: {response.status_code}"
        if response.mimetype != "text/html":
            continue
        page = Page(response.text)
        yield address, found[address], page
        for link in page.links:
            target = urldefrag(urljoin(address, link)).url
            if urlsplit(link).scheme or target.endswith((".ttl", ".jsonld")) or target in found:
                continue
            found[target] = address
            waiting.append(target)
