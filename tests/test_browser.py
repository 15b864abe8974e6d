"""The pages in a real browser: accessibility by axe-core, the way to the highlighted sentence, narrow screens, print."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from kgraph.web import create_app
from kgraph.workspace import Workspace
from papers import CHINESE, CROWD, MARKUP, RETRACTED

CHROMIUM = os.environ.get("KGRAPH_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
ERRORS = ("/no-such-thing", "/sparql?query=nonsense")  # the console tells of their status
STUDY = "/study/fan-2024"
PAGES = [
    "/",
    "/search?q=stigma",
    "/search?q=zzzzzz",
    "/concepts",
    "/concepts/mechanism",
    "/concepts/a-z",
    "/concept/chaxugeju",  # the longest, /concept/peer-support, is among the pages of papers
    "/concept/self-disclosure",
    "/study",
    STUDY,
    "/study/strand2020-reconnect",
    "/study/strand2020-reconnect/theme/new-friendships",
    "/study/naslund2014-youtube/assertion/a004",
    "/counterpart/chaxugeju-and-whanaungatanga",
    f"{STUDY}/theme/selective-self-exposure",
    f"{STUDY}/quotation/q22",
    f"{STUDY}/participant/P3",
    f"{STUDY}/assertion/a010",
    f"{STUDY}/reference/5",
    f"{STUDY}/issues",
    f"{STUDY}/issue/I06",
    f"{STUDY}/passage/s011",
    "/quotations",
    "/assertions",
    "/themes",
    "/participants",
    "/references",
    "/citations",
    "/codings",
    "/about",
    "/dump",
    "/query",
    "/query/quotations-of-concept?concept=reciprocity",
    "/sparql?query=SELECT%20*%20%7B%20?s%20a%20kg:Quotation%20;%20schema:text%20?text%20%7D%20LIMIT%203",
    "/sparql?query=DESCRIBE%20concept:hope",
    "/sparql?query=nonsense",
    "/ontology",
    "/agent/kgraph-coding",
    "/no-such-thing",
    "/map",
]
PAPER_PAGES = [  # of the example with harvests
    "/",
    "/works",
    "/works?q=support&concept=peer-support&since=2000&author=A1",
    "/works?more=topic",
    f"/work/{RETRACTED}",
    f"/work/{CHINESE}",
    f"/work/{MARKUP}",
    f"/work/{CROWD}",
    "/harvest/fan-2024-references",
    "/concept/peer-support",
    "/search?q=peer",
    "/about",
    f"{STUDY}/reference/2",
    "/references",
    "/study/strand2020-reconnect",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM or not Path(CHROMIUM).exists(), reason="no Chromium found; name one in KGRAPH_CHROMIUM"),
]


@pytest.fixture(scope="module")
def site(workspace: Workspace) -> Iterator[str]:
    """The address of the example's pages, served."""
    with serving(workspace) as address:
        yield address


@pytest.fixture(scope="module")
def paper_site(harvested: Workspace) -> Iterator[str]:
    """The address of the pages of the example with harvests, served."""
    with serving(harvested) as address:
        yield address


@contextmanager
def serving(workspace: Workspace) -> Iterator[str]:
    """Serves the pages of a workspace; their address."""
    server = make_server("127.0.0.1", 0, create_app(workspace), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Any]:
    """The tab that all pages are shown in: to open one takes longer than most pages."""
    opened: Any = browser.new_page()
    opened.asked, opened.complaints = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
    yield opened
    opened.close()


@pytest.fixture
def page(tab: Any) -> Any:
    """An empty page of a browser that tells every request and every complaint: `page.asked`, `page.complaints`."""
    tab.goto("about:blank")
    tab.context.clear_cookies()
    tab.emulate_media(media="null", color_scheme="null")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.asked.clear()
    tab.complaints.clear()
    return tab


def check(site: str, page: Any, path: str) -> None:
    """Looks at a page with axe, for requests elsewhere and complaints, and on a narrow screen."""
    page.goto(site + path)
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    assert results.violations_count == 0, results.generate_report()
    assert all(url.startswith((site, "data:")) for url in page.asked)
    assert path in ERRORS or not page.complaints
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_and_narrow_screens_need_no_sideways_scrolling(site: str, page: Any, path: str) -> None:
    check(site, page, path)


@pytest.mark.parametrize("path", PAPER_PAGES)
def test_pages_of_papers_are_as_accessible(paper_site: str, page: Any, path: str) -> None:
    check(paper_site, page, path)


@pytest.mark.parametrize("path", ["/works?q=support", f"/work/{MARKUP}", f"/work/{RETRACTED}", "/concept/peer-support"])
def test_dark_colours_of_papers_have_contrast(paper_site: str, page: Any, path: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(paper_site + path)
    results = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": ["color-contrast"]})
    assert results.violations_count == 0, results.generate_report()


def test_papers_are_narrowed_and_widened_without_script(paper_site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{paper_site}/works")
    page.fill("#q", "peer support")
    with page.expect_navigation():
        page.press("#q", "Enter")
    before = page.locator(".paper").count()
    with page.expect_navigation():
        page.locator(".narrow a", has_text="open access").first.click()
    assert "access=" in page.url
    assert "q=peer+support" in page.url
    assert 0 < page.locator(".paper").count() < before
    with page.expect_navigation():
        page.locator(".active a", has_text="open access").click()
    assert "access=" not in page.url
    assert page.locator(".paper").count() == before
    context.close()


@pytest.mark.parametrize("path", ["/", STUDY, f"{STUDY}/quotation/q22", "/assertions", "/map"])
def test_dark_colours_have_contrast(site: str, page: Any, path: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(site + path)
    results = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": ["color-contrast"]})
    assert results.violations_count == 0, results.generate_report()


def test_two_clicks_lead_a_concept_to_its_highlighted_sentence(site: str, page: Any) -> None:
    page.goto(f"{site}/concepts/mechanism")
    page.click("text=reciprocity")
    words = page.locator(".quotation blockquote").first
    said = words.inner_text().strip("“” \n")
    words.locator("a").click()
    mark = page.locator("#in-context mark").first
    assert mark.inner_text() in said
    assert mark.is_visible()
    top = mark.evaluate("element => element.getBoundingClientRect().top")
    assert 0 <= top < 900


def test_the_keyboard_reaches_the_content_first(site: str, page: Any) -> None:
    page.goto(f"{site}/concept/reciprocity")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text() == "Skip to the content"
    assert focused.evaluate("element => element.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_print_leaves_out_what_is_for_the_screen(site: str, page: Any) -> None:
    page.emulate_media(media="print")
    page.goto(f"{site}{STUDY}/quotation/q22")
    assert not page.locator("header nav").is_visible()
    assert not page.locator("header .search").is_visible()
    assert page.locator("mark").first.is_visible()
    assert page.locator("footer .iri").is_visible()


def test_print_shows_what_is_folded_away(site: str, page: Any) -> None:
    page.goto(f"{site}/concept/self-disclosure")
    folded = page.locator("details li").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.is_visible()


def test_search_works_without_script(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.fill("#q", "loneliness")
    page.press("#q", "Enter")
    assert "/search?q=loneliness" in page.url
    assert page.locator('a[href="/concept/loneliness"]').count() > 0
    context.close()
