"""The client of OpenAlex, over real HTTP: the cheapest forms, the pace, and a name for everything that goes wrong."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixed_answer import answering
from kgraph import openalexerrors as errors
from kgraph.errors import KgraphError
from kgraph.openalex import API, Access, Client, Patience, batches, find_access, work_id
from kgraph.settings import OpenAlexSettings, read_settings
from kgraph.workterms import bare_doi
from openalex_standin import Fault, stand_in

KEY = "free-key"
FIRST, SECOND = "W3046863325", "W3045921891"
ONCE = Patience(tries=1)
Sleeps = list[float]


def client(address: str, key: str = "", sleeps: Sleeps | None = None, patience: Patience | None = None) -> Client:
    """A client that notes the waits it is asked for and does not wait."""
    return Client(Access(address, key, 1000), patience, (sleeps if sleeps is not None else []).append)


# ---- what is asked


def test_a_list_is_asked_for_in_one_request_of_one_credit() -> None:
    with stand_in() as address:
        answer = client(address).page([f"openalex:{FIRST}|{SECOND}"])
        (asked,) = address.requests
    assert {record["id"].rsplit("/", 1)[1] for record in answer.records} == {FIRST, SECOND}
    assert (answer.count, answer.credits) == (2, 1)
    assert (asked.path, asked.query["filter"], asked.query["per_page"]) == ("/works", f"openalex:{FIRST}|{SECOND}", "100")


def test_a_single_work_is_free_by_id_and_by_doi() -> None:
    with stand_in() as address:
        asker = client(address)
        (by_id,), (by_doi,) = asker.work(FIRST).records, asker.work("doi:10.1145/3383583.3398584").records
        assert by_id == by_doi
        assert address.credits == 0
        assert asker.left == 1_000


def test_a_record_comes_as_it_was_sent() -> None:
    with stand_in() as address:
        (record,) = client(address).work(FIRST).records
        sent = next(work for work in address.server.works.records if work["id"].endswith(FIRST))
    assert json.dumps(record) == json.dumps({key: value for key, value in sent.items() if key != "relevance_score"})


def test_titles_are_looked_up_free_of_charge() -> None:
    with stand_in() as address:
        answer = client(address).titles("Trends of Publications' Citations")
        assert [record["external_id"] for record in answer.records] == ["https://doi.org/10.1145/3383583.3398584"]
        assert address.credits == 0


@pytest.mark.parametrize("older_paging", [True, False])
def test_cursors_lead_to_the_end(older_paging: bool) -> None:
    with stand_in(older_paging=older_paging) as address:
        asker, cursor, got = client(address), "*", []
        while cursor:
            answer = asker.page(cursor=cursor)
            got += [record["id"] for record in answer.records]
            cursor = answer.cursor or ""
    assert len(got) == len(set(got)) == 200


def test_a_search_costs_ten() -> None:
    with stand_in() as address:
        answer = client(address).page(["type:article"], "biodiversity")
        assert answer.credits == address.credits == 10
        assert address.requests[0].query["search"] == "biodiversity"


def test_batches_are_as_large_as_the_service_takes() -> None:
    assert [len(batch) for batch in batches("openalex", [f"W{n}" for n in range(1, 251)])] == [100, 100, 50]
    long = [f"10.1000/{'x' * 200}{n}" for n in range(100)]
    with stand_in() as address:
        for batch in batches("doi", long):
            client(address).page([f"doi:{'|'.join(batch)}"])
        assert 3 <= len(address.requests) <= 5


def test_what_filters_give_a_meaning_to_comes_alone() -> None:
    awkward = ["10.1000/a,b", "10.1000/a|b", '10.1000/a"b', "10.1000/!a"]
    cut = [batch for batch in batches("doi", ["10.1000/1", *awkward, "10.1000/2"]) if len(batch) > 1]
    assert cut == [["10.1000/1", "10.1000/2"]]
    strange = "10.1000/(sici)1097<1661::aid-sim968>3.0.co;2-2?a#b%2F&c=d,e"
    works = [{"id": "https://openalex.org/W1", "doi": f"https://doi.org/{strange}", "title": "x", "display_name": "x"}]
    with stand_in(works=works) as address:
        assert client(address).work(f"doi:{strange}").records[0]["id"] == "https://openalex.org/W1"
        assert address.credits == 0


def test_a_question_that_is_too_long_is_not_sent() -> None:
    with stand_in() as address, pytest.raises(errors.BadRequest, match=r"too long for the service. Split it"):
        client(address).page(search="word " * 2000)
    assert address.requests == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://openalex.org/W1", "W1"),
        (" w12 ", "W12"),
        ("https://api.openalex.org/works/W3", "W3"),
        ("A1", None),
        ("W1 W2", None),
    ],
)
def test_ids_in_any_form(text: str, found: str | None) -> None:
    assert work_id(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://doi.org/10.1000/ABC", "10.1000/abc"),
        ("doi: 10.1000/182", "10.1000/182"),
        ("http://dx.doi.org/10.1000/182", "10.1000/182"),
        ("10.1000/", None),
        ("W1", None),
        (None, None),
    ],
)
def test_dois_in_any_form(text: str | None, found: str | None) -> None:
    assert bare_doi(text) == found


# ---- the pace


def test_the_pace_is_kept() -> None:
    with stand_in(per_second=8) as address:
        asker = Client(Access(address, per_second=8))
        for _ in range(10):
            asker.titles("x")
        times = [asked.at for asked in address.requests]
    assert [asked.status for asked in address.requests] == [200] * 10
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= 8


def test_broad_searches_go_slower() -> None:
    with stand_in() as address:
        asker = Client(Access(address))
        for _ in range(2):
            asker.page(search="a OR b OR c OR d OR e OR f OR g")
        assert [asked.status for asked in address.requests] == [200, 200]
        assert address.requests[1].at - address.requests[0].at >= 1


# ---- what goes wrong

REFUSED: list[tuple[str | Fault, type[errors.OpenAlexError], str, int]] = [
    (Fault("html", 403), errors.Forbidden, "does not allow this", 1),
    (Fault("html", 404), errors.NotFound, "no such work", 1),
    (Fault("html", 418), errors.UnknownForm, "the status 418", 4),
    (Fault("storm", 500), errors.ServerTrouble, "in trouble (500)", 4),
    (Fault("storm", 503), errors.ServerTrouble, "in trouble (503)", 4),
    ("gateway_timeout", errors.ServerTrouble, "in trouble (504 Your query took too long", 4),
    ("overloaded", errors.ServerTrouble, "it asks to wait 60 s", 1),
    ("too_fast", errors.TooFast, "requests come too fast", 4),
    ("spent", errors.BudgetSpent, "the day's credits at OpenAlex are spent", 1),
    ("cut", errors.CutShort, "broken off", 4),
    ("half_json", errors.CutShort, "broken off, or no JSON", 4),
    ("html", errors.CutShort, "no JSON", 4),
    ("hang_up", errors.CutShort, "hung up without an answer", 4),
    ("timed_out", errors.Partial, "partial", 4),
    ("no_meta", errors.UnknownForm, "the answer has no 'meta'", 4),
]


@pytest.mark.parametrize(("fault", "kind", "says", "requests"), REFUSED, ids=lambda value: str(getattr(value, "name", value)))
def test_every_trouble_has_a_name_and_ends(fault: str, kind: type[errors.OpenAlexError], says: str, requests: int) -> None:
    with stand_in(misbehave=fault) as address, pytest.raises(errors.OpenAlexError) as raised:
        client(address).page(["type:article"])
    assert type(raised.value) is kind
    assert says in str(raised.value)
    assert raised.value.problems[0].remedy
    assert len(address.requests) == requests


@pytest.mark.parametrize("fault", ["cut", "half_json", "hang_up", "storm", "timed_out", "no_meta", "too_fast", "html"])
def test_what_passes_is_tried_again(fault: str) -> None:
    sleeps: Sleeps = []
    with stand_in(misbehave=Fault(fault, times=2)) as address:
        assert client(address, sleeps=sleeps).page(["type:article"]).count > 0
        assert len(address.requests) == 3
    assert sleeps == ([1, 1] if fault == "too_fast" else [0.5, 1])


def test_a_filter_that_does_not_exist() -> None:
    with (
        stand_in() as address,
        pytest.raises(errors.BadRequest, match=r"'publication_yeer'. Did you mean publication_year"),
    ):
        client(address).page(["publication_yeer:2018"])
    assert address.credits == 0


def test_a_value_that_is_wrong() -> None:
    with stand_in() as address, pytest.raises(errors.BadRequest, match=r"does not take this: .*Maximum number of values"):
        client(address).page(["doi:" + "|".join(f"10.1000/{n}" for n in range(101))])


def test_a_key_that_is_not_known() -> None:
    with stand_in() as address, pytest.raises(errors.BadKey, match=r"does not know the key. Correct OPENALEX_API_KEY") as raised:
        client(address, "some-other-key").page(["type:article"])
    assert "some-other-key" not in str(raised.value)


def test_a_work_that_is_gone() -> None:
    with stand_in(misbehave=Fault("merged", (FIRST,))) as address, pytest.raises(errors.NotFound):
        client(address).work(FIRST)


def test_a_spent_budget_says_when_to_resume() -> None:
    sleeps: Sleeps = []
    with stand_in(budget=1) as address:
        asker = client(address, sleeps=sleeps)
        asker.page(["type:article"])
        with pytest.raises(errors.BudgetSpent) as raised:
            asker.page(["type:article"])
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    assert abs(raised.value.resume_after - midnight) < timedelta(seconds=3)
    assert sleeps == []
    assert f"Resume after {raised.value.resume_after:%Y-%m-%d %H:%M} UTC (in " in str(raised.value)
    assert "A free key (OPENALEX_API_KEY) gives ten times as much" in str(raised.value)


def test_a_spent_budget_without_a_time_ends_at_midnight() -> None:
    body = json.dumps({"error": "Rate limit exceeded", "message": "Insufficient budget. Resets at midnight UTC."}).encode()
    with answering(429, body) as address, pytest.raises(errors.BudgetSpent) as raised:
        client(address, KEY).work(FIRST)
    assert raised.value.resume_after.time() == datetime.min.time()
    assert "A free key" not in str(raised.value)


def test_a_long_wait_is_not_waited_whatever_the_reason() -> None:
    with answering(429, b"<html>", {"Retry-After": "53578"}) as address, pytest.raises(errors.BudgetSpent, match="in 14 h 53"):
        client(address).work(FIRST)


def test_a_wait_until_a_date() -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    header = {"Retry-After": later.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    with answering(429, b"", header) as address, pytest.raises(errors.BudgetSpent) as raised:
        client(address).work(FIRST)
    assert abs(raised.value.resume_after - later) < timedelta(seconds=3)


def test_a_filter_of_a_paid_plan() -> None:
    with stand_in() as address, pytest.raises(errors.PlanNeeded, match=r"a Premium.*Leave that filter out, or resume with"):
        client(address).page(["from_updated_date:2026-01-01"])
    assert len(address.requests) == 1


def test_broad_searches_of_several_programs_wait_for_each_other() -> None:
    told = {"error": "Rate limit exceeded", "message": "x", "reason": "broad_boolean_query", "retryAfter": 1}
    sleeps: Sleeps = []
    with answering(429, json.dumps(told).encode()) as address, pytest.raises(errors.BroadQuery, match="more than five of AND"):
        client(address, sleeps=sleeps).page(["type:article"])
    assert sleeps == [1, 1, 1]


@pytest.mark.parametrize(("pause", "patience"), [(0.4, Patience(read=0.1, tries=1)), (0.1, Patience(whole=0.25, tries=1))])
def test_slow_answers_end(pause: float, patience: Patience) -> None:
    with stand_in(misbehave=Fault("slow", pause)) as address, pytest.raises(errors.NoAnswer):
        client(address, patience=patience).page(["type:article"])


def test_nobody_answers() -> None:
    with answering(200) as address:
        pass
    with pytest.raises(errors.Unreachable, match=r"cannot be reached \(Connection refused\). Check the network"):
        client(address).work(FIRST)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b'{"results": [], "meta": null}',
        b'{"results": [], "meta": {"count": null}}',
        b'{"results": [], "meta": {"count": 1, "next_cursor": 5}}',
        b'{"results": [null], "meta": {"count": 1}}',
        b'{"results": null, "meta": {"count": 1}}',
        b"[" * 100_000,
        b"\xff\xfe\xfd",
    ],
    ids=range(10),
)
def test_answers_of_another_form(body: bytes) -> None:
    with answering(200, body) as address, pytest.raises((errors.UnknownForm, errors.CutShort)):
        client(address, patience=ONCE).page(["type:article"])


def test_an_answer_that_leads_to_another_host_is_not_followed() -> None:
    away = {"Location": "http://127.0.0.2:9/works"}
    with answering(302, headers=away) as address, pytest.raises(errors.UnknownForm, match="leads to another host"):
        client(address, KEY, patience=ONCE).work(FIRST)
    with answering(302, headers={"Location": "/works/W1"}) as address, pytest.raises(errors.UnknownForm, match="leads nowhere"):
        client(address, patience=ONCE).work(FIRST)


def test_an_id_in_another_form_is_followed() -> None:
    with stand_in() as address:
        assert client(address).work(FIRST.lower()).records[0]["id"].endswith(FIRST)


# ---- the key


def test_the_key_goes_in_a_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with stand_in() as address:
        client(address, KEY).page(["type:article"])
        (asked,) = address.requests
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in asked.target
    assert KEY not in caplog.text
    assert KEY not in repr(Access(address, KEY))


def test_the_key_is_not_repeated_from_an_answer() -> None:
    body = json.dumps({"error": "Invalid query parameters error.", "message": "No: {authorization}\x1b[2J"}).encode()
    with answering(400, body) as address, pytest.raises(errors.BadRequest) as raised:
        client(address, "a-secret").work(FIRST)
    assert "a-secret" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def settings(tmp_path: Path, text: str) -> OpenAlexSettings:
    (tmp_path / "kgraph.toml").write_text(text, encoding="utf-8")
    return read_settings(tmp_path / "kgraph.toml").openalex


def test_the_access_by_default_and_from_the_environment(tmp_path: Path) -> None:
    assert find_access(OpenAlexSettings(), tmp_path, {}) == Access(API, "", 8)
    found = find_access(OpenAlexSettings(), tmp_path, {"OPENALEX_API_KEY": " k \n", "OPENALEX_ADDRESS": "http://127.0.0.1:1/"})
    assert found == Access("http://127.0.0.1:1", "k", 25)


def test_the_key_from_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "key").write_text("k\n", encoding="utf-8")
    found = settings(folder, '[openalex]\nkey-file = "../key"\nper-second = 40\n')
    assert find_access(found, folder, {}) == Access(API, "k", 40)
    assert find_access(found, folder, {"OPENALEX_API_KEY": "other"}).key == "other"


def test_the_key_is_not_sent_where_a_workspace_alone_says(tmp_path: Path) -> None:
    found = settings(tmp_path, '[openalex]\naddress = "https://example.org/api"\n')
    assert find_access(found, tmp_path, {"OPENALEX_API_KEY": "k"}) == Access("https://example.org/api", "", 25)
    named = {"OPENALEX_API_KEY": "k", "OPENALEX_ADDRESS": "https://example.org/api"}
    assert find_access(found, tmp_path, named).key == "k"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OPENALEX_ADDRESS": "ftp://x"}, "is no address of a service"),
        ({"OPENALEX_ADDRESS": "https://a:b@x"}, "is no address of a service"),
        ({"OPENALEX_ADDRESS": "http://example.org"}, "is not encrypted. Use https"),
        ({"OPENALEX_API_KEY": "se\ncret"}, "the key has characters that no key has"),
        ({"OPENALEX_API_KEY": "sécret"}, "the key has characters that no key has"),
    ],
)
def test_an_access_that_is_wrong(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    with pytest.raises(KgraphError, match=message) as raised:
        find_access(OpenAlexSettings(), tmp_path, environment)
    assert environment.get("OPENALEX_API_KEY", "\0") not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[openalex]\nkey = "secret"\n', ":2: openalex.key: a key does not belong in a workspace, which is shared. Put it into"),
        ("[openalex]\nper-second = 0\n", ":2: openalex.per-second: is no number from 1 to 100"),
        ("[openalex]\n\naddress = 3\n", ":3: openalex.address: is no text"),
        ('[openalex]\nadress = "x"\n', ":2: openalex.adress: this key is not known. Known here: address, key-file, per-second"),
        ("openalex = 3\n", ":1: openalex: is no table"),
        ("harvests = 3\n", ":1: harvests: is no table of harvests"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KgraphError) as raised:
        settings(tmp_path, text)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[openalex]\nkey-file = "nowhere"\n', "lies in the workspace, which is shared. Keep it elsewhere"),
        ('[openalex]\nkey-file = "../nowhere"\n', "the file of the key cannot be read"),
    ],
)
def test_a_file_of_the_key_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(KgraphError, match=message):
        find_access(settings(tmp_path, text), tmp_path, {})
