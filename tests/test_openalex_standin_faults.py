"""The stand-in OpenAlex, asked over HTTP: keys, budget and limits, and how it misbehaves when told to."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from openalex_asking import Got, ask, works
from openalex_standin import FREE, PAID, Address, Fault, made_up_works, main, real_works, stand_in
from openalex_standin_answers import DATA, recorded
from openalex_standin_faults import MISBEHAVIOURS

KEY_PAPER = "W2741809807"
DOI = "10.7717/peerj.4375"


# ---- keys, budget, limits


def test_keys_come_as_bearer_or_parameter_and_share_a_budget() -> None:
    with stand_in() as address:
        assert ask(address, "/works", key="free-key").headers["x-ratelimit-remaining"] == "9999"
        assert ask(address, "/works?api_key=free-key", key="").headers["x-ratelimit-remaining-usd"] == "0.9998"
        assert ask(address, "/works", key="").headers["x-ratelimit-limit-usd"] == "0.1"
        assert ask(address, "/works", key="paid-key").headers["x-ratelimit-limit"] == "2000000"
        status = ask(address, "/rate-limit", key="free-key").json["rate_limit"]
        assert (status["credits_used"], status["daily_remaining_usd"]) == (2, 0.9998)
        assert ask(address, "/rate-limit", key="").status == 401
        for got in (ask(address, "/works", key="wrong"), ask(address, "/works?api_key=wrong", key="")):
            assert (got.status, got.json) == (401, recorded("error_401_invalid_key"))
            assert "x-ratelimit-limit" not in got.headers
        assert [asked.credits for asked in address.requests[-2:]] == [0, 0]


@pytest.mark.parametrize(("key", "words"), [("free-key", "This request costs $0.001 but"), ("", "This request has no API key")])
def test_the_budget_is_counted_down_until_midnight(key: str, words: str) -> None:
    now = datetime(2026, 10, 5, 20, 30, tzinfo=UTC)
    with stand_in(budget=12, clock=lambda: now) as address:
        assert ask(address, "/works?search=biodiversity", key=key).headers["x-ratelimit-remaining"] == "2"
        assert ask(address, "/works?colour=red", key=key).headers["x-ratelimit-remaining"] == "2", "errors are free"
        got = ask(address, "/works?filter=title.search:biodiversity", key=key)
        assert (got.status, got.json["error"]) == (429, "Rate limit exceeded")
        assert got.json["message"].startswith("Insufficient budget. ")
        assert words in got.json["message"]
        assert got.headers["retry-after"] == got.headers["x-ratelimit-reset"] == str(3 * 3600 + 1800)
        assert got.json["retryAfter"] == 12600
        assert (got.json["creditsRequired"], got.json["creditsRemaining"]) == (10, 2)
        assert got.headers["x-ratelimit-cost-required-usd"] == "0.001"
        assert [ask(address, "/works", key=key).status for _ in range(3)] == [200, 200, 429]
        assert ask(address, f"/works/{KEY_PAPER}", key=key).status == 200, "single works are free"
        now += timedelta(hours=4)
        assert ask(address, "/works", key=key).headers["x-ratelimit-remaining"] == "11"


def test_too_many_requests_a_second() -> None:
    with stand_in() as address:
        answers = [ask(address, "/works/W1", key="") for _ in range(11)]
        assert [got.status for got in answers] == [404] * 10 + [429]
        last = answers[-1]
        assert last.json["message"] == "Rate limit exceeded: 10 requests per second. Please slow down."
        assert (last.headers["retry-after"], last.headers["x-ratelimit-remaining"]) == ("1", "1000")
        assert ask(address, "/works/W1", key="free-key").status == 404, "everyone is counted alone"
        time.sleep(1)
        assert ask(address, "/works/W1", key="").status == 404


def test_broad_boolean_searches_are_slowed_down() -> None:
    query = "/works?search=" + quote(" OR ".join("abcdefg"))
    with stand_in(made_up_works()) as address:
        assert [ask(address, query, key="").status for _ in range(2)] == [200, 429]
        got = ask(address, query, key="")
        assert got.json | {"reason": "broad_boolean_query", "booleanOperators": 6, "retryAfter": 1} == got.json
        assert got.headers["retry-after"] == "1"
        assert "x-ratelimit-limit" not in got.headers
        assert ask(address, "/works?search=" + quote(" OR ".join("abcdef")), key="").status == 200, "five are few enough"


@pytest.mark.parametrize(
    "query", ["filter=type:book,from_updated_date:2026-01-01", "filter=from_created_date:2025-11-01", "sort=updated_date:desc"]
)
def test_paid_filters_need_a_plan(query: str) -> None:
    with stand_in(keys={"free": FREE, "paid": PAID}) as address:
        for key in ("", "free"):
            got = ask(address, f"/works?{query}", key=key)
            assert (got.status, got.json["error"]) == (429, "Plan upgrade required")
            assert "requires a Premium, Institutional, or Partner plan" in got.json["message"]
            assert "retry-after" not in got.headers
        assert ask(address, f"/works?{query}", key="paid").status == 200


# ---- misbehaviour


def list_of(address: Address) -> Got:
    """A page of a list with a cursor, from the second one on if need be."""
    return works(address, per_page=50, cursor="*", filter="has_abstract:true")


def check_cut(address: Address) -> None:
    with pytest.raises(http.client.IncompleteRead):
        list_of(address)
    with pytest.raises(requests.RequestException):
        requests.get(f"{address}/works", timeout=5)
    assert [asked.status for asked in address.requests] == [200, 200]
    assert address.credits == 2, "what was cut off is paid for"


def check_hang_up(address: Address) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        list_of(address)
    assert len(address.requests) == 1


def check_half_json(address: Address) -> None:
    got = list_of(address)
    assert got.headers["content-length"] == str(len(got.body))
    with pytest.raises(json.JSONDecodeError):
        _ = got.json


def check_slow(address: Address) -> None:
    began = time.monotonic()
    assert list_of(address).status == 200
    assert time.monotonic() - began > 0.3
    with pytest.raises(requests.RequestException, match="timed out"):
        requests.get(f"{address}/works", timeout=0.02)


def check_html(status: int) -> Callable[[Address], None]:
    def check(address: Address) -> None:
        got = list_of(address)
        assert (got.status, got.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert got.body.startswith(b"<!DOCTYPE html>")
        assert address.credits == (1 if status == 200 else 0)

    return check


def check_error(status: int, title: str, wait: str | None) -> Callable[[Address], None]:
    def check(address: Address) -> None:
        got = list_of(address)
        assert (got.status, got.json["error"], got.headers.get("retry-after")) == (status, title, wait)
        assert address.credits == 0

    return check


def check_spent(address: Address) -> None:
    got = list_of(address)
    assert got.status == 429
    assert "you only have $0 remaining. Resets at midnight UTC" in got.json["message"]
    assert 0 < int(got.headers["retry-after"]) <= 86_400


def check_repeated_cursor(address: Address) -> None:
    cursor = list_of(address).json["meta"]["next_cursor"]
    pages = [works(address, per_page=50, cursor=cursor, select="id", filter="has_abstract:true") for _ in range(2)]
    assert [page.json["meta"]["next_cursor"] for page in pages] == [cursor, cursor]
    assert pages[0].ids == pages[1].ids


def check_no_meta(address: Address) -> None:
    assert list(list_of(address).json) == ["results", "group_by"]
    assert ask(address, f"/works/{KEY_PAPER}").json["id"].endswith(KEY_PAPER)


def check_timed_out(address: Address) -> None:
    got = list_of(address)
    assert got.json["meta"]["timed_out"] is True
    assert len(got.ids) == 25


def check_null_authors(address: Address) -> None:
    authors = [each["author"] for work in list_of(address).json["results"] for each in work["authorships"]]
    assert None in authors
    assert {"https://openalex.org/A9999999999", None} == {author["id"] for author in authors if author}
    assert ask(address, f"/works/{KEY_PAPER}").json["authorships"][0]["author"]["id"] is None
    assert all(each["author"] for work in real_works() for each in work["authorships"]), "the records themselves stay as they are"


def check_missing(name: str) -> Callable[[Address], None]:
    def check(address: Address) -> None:
        assert name not in ask(address, f"/works/{KEY_PAPER}").json
        assert not any(name in work for work in works(address).json["results"])

    return check


def check_merged(address: Address) -> None:
    assert ask(address, f"/works/{KEY_PAPER}").body == (DATA / "error_404.html").read_bytes()
    assert ask(address, f"/works/doi:{DOI}").status == 404
    assert works(address, filter=f"openalex:{KEY_PAPER}|W3046863325").ids == ["W3046863325"]
    assert ask(address, "/works/W3046863325").status == 200


MISBEHAVES: dict[str, tuple[Fault, Callable[[Address], None]]] = {
    "cut": (Fault("cut"), check_cut),
    "hang_up": (Fault("hang_up"), check_hang_up),
    "half_json": (Fault("half_json"), check_half_json),
    "slow": (Fault("slow", 0.05), check_slow),
    "storm": (Fault("storm", 502), check_html(502)),
    "html": (Fault("html"), check_html(200)),
    "overloaded": (Fault("overloaded", 2), check_error(503, "Search temporarily unavailable", "2")),
    "gateway_timeout": (Fault("gateway_timeout"), check_error(504, "Gateway timeout", None)),
    "too_fast": (Fault("too_fast"), check_error(429, "Rate limit exceeded", "1")),
    "spent": (Fault("spent"), check_spent),
    "repeated_cursor": (Fault("repeated_cursor"), check_repeated_cursor),
    "no_meta": (Fault("no_meta"), check_no_meta),
    "timed_out": (Fault("timed_out"), check_timed_out),
    "null_authors": (Fault("null_authors"), check_null_authors),
    "no_abstract": (Fault("no_abstract"), check_missing("abstract_inverted_index")),
    "no_authorships": (Fault("no_authorships"), check_missing("authorships")),
    "merged": (Fault("merged", [KEY_PAPER]), check_merged),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_misbehaviour(name: str) -> None:
    fault, check = MISBEHAVES[name]
    with stand_in(misbehave=fault) as address:
        check(address)
        address.behave()
        got = works(address, per_page=200, select="id")
        assert (got.status, len(got.ids)) == (200, 200), "and well again afterwards"


def test_a_storm_passes() -> None:
    with stand_in(misbehave=[Fault("storm", times=3, after=1), Fault("null_authors", after=5)]) as address:
        assert [ask(address, "/works").status for _ in range(6)] == [200, 503, 503, 503, 200, 200]
        address.misbehave(Fault("storm", 500, times=1))
        assert [ask(address, "/works").status for _ in range(2)] == [500, 200]
        assert ask(address, f"/works/{KEY_PAPER}").json["authorships"][0]["author"]["id"] is None


def test_it_ends_at_once_in_the_middle_of_a_slow_answer() -> None:
    began = time.monotonic()
    with stand_in(misbehave=Fault("slow", 60)) as address, pytest.raises(requests.RequestException):
        requests.get(f"{address}/works", timeout=0.1)
    assert time.monotonic() - began < 5


def test_html_can_be_a_400() -> None:
    with stand_in(misbehave=Fault("html", 400)) as address:
        check_html(400)(address)


def test_faults_are_read_from_the_command_line() -> None:
    assert Fault.read("storm=502,times=3,after=2") == Fault("storm", 502, 3, 2)
    assert Fault.read("slow=0.5") == Fault("slow", 0.5)
    assert Fault.read("merged=W1+W2") == Fault("merged", ["W1", "W2"])
    assert Fault.read("cut") == Fault("cut")
    with pytest.raises(ValueError, match="no misbehaviour 'sulk'; there are: cut, hang_up"):
        Fault.read("sulk")


# ---- run by a person


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--misbehave", "sulk"], "no misbehaviour 'sulk'; there are: cut, hang_up"),
        (["--misbehave", "storm,often=3"], "not NAME[=VALUE][,times=N][,after=N]: 'storm,often=3'"),
        (["--misbehave", "storm=many"], "not NAME[=VALUE][,times=N][,after=N]: 'storm=many'"),
        (["--works", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_a_person_is_told_what_is_wrong(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["openalex_standin.py", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert complaint in capsys.readouterr().err


def test_a_person_is_told_that_the_port_is_taken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with stand_in() as address:
        monkeypatch.setattr("sys.argv", ["openalex_standin.py", "--port", address.rsplit(":", 1)[1]])
        with pytest.raises(SystemExit):
            main()
    assert "Address already in use" in capsys.readouterr().err


def test_a_person_can_run_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).parent / "openalex_standin.py"
    command = [
        sys.executable,
        str(script),
        "--port",
        str(port),
        "--made-up",
        "--misbehave",
        "storm=500,times=1",
        "--older-paging",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            assert running.stdout.readline().startswith(f"203 works at http://127.0.0.1:{port}/works; API keys: free-key")
            url = f"http://127.0.0.1:{port}/works?filter=doi:10.1093/schbul/sbj043&cursor=*"
            assert requests.get(url, timeout=5).status_code == 500
            found = requests.get(url, timeout=5).json()
        finally:
            running.terminate()
    assert [work["id"] for work in found["results"]] == ["https://openalex.org/W9999000001"]
    assert found["meta"]["next_cursor"]
