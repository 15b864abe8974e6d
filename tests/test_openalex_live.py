"""The real OpenAlex: whether it still answers as the stand-in does. Off by default; it needs a key and costs about three credits.

OPENALEX_API_KEY=... python3 run.py test -m live
"""

import os
from collections.abc import Iterator

import pytest

from kgraph.openalex import Client, find_access
from kgraph.openalexerrors import BadRequest, NotFound
from kgraph.settings import OpenAlexSettings
from kgraph.workmapping import map_work
from kgraph.workspace import EXAMPLE

DOI, OTHER = "10.3389/fpsyt.2024.1349778", "10.7717/peerj.4375"

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not os.environ.get("OPENALEX_API_KEY"), reason="the real OpenAlex is asked with a key: OPENALEX_API_KEY"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    made = Client(find_access(OpenAlexSettings(), EXAMPLE, {"OPENALEX_API_KEY": os.environ["OPENALEX_API_KEY"]}))
    yield made
    made.close()


def test_a_single_work_is_free_and_can_be_mapped(client: Client) -> None:
    answer = client.work(f"doi:{DOI}")
    assert answer.credits == 0
    assert f"<https://doi.org/{DOI}> " in map_work(answer.records[0])


def test_a_list_costs_one_credit_and_tells_what_is_left(client: Client) -> None:
    answer = client.page([f"doi:{DOI}|{OTHER}"])
    assert (answer.count, answer.credits) == (2, 1)
    assert client.left is not None


def test_a_cursor_leads_to_another_page(client: Client) -> None:
    first = client.page(["cites:W2741809807"])
    second = client.page(["cites:W2741809807"], cursor=first.cursor or "")
    assert not {one["id"] for one in first.records} & {one["id"] for one in second.records}


def test_refusals_have_the_names_that_the_stand_in_gives_them(client: Client) -> None:
    with pytest.raises(NotFound):
        client.work("W1")
    with pytest.raises(BadRequest):
        client.page(["no_such_filter:1"])


def test_titles_are_free(client: Client) -> None:
    assert client.titles("Naturally occurring peer support").credits == 0
