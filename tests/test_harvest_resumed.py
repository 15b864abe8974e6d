"""Harvests that are stopped: by kill -9 at any moment, Ctrl-C, a spent budget, a full disk, a second harvester."""

import os
import pty
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvesting import files, harvest, kept, net, refresh, walks
from kgraph import question
from kgraph.errors import KgraphError
from kgraph.openalexerrors import BadRequest, BudgetSpent, ServerTrouble
from kgraph.works import read_ledger, read_works
from kgraph.workspace import Workspace, create_workspace
from openalex_standin import Address, Fault, stand_in

KEY = "paid-key"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return create_workspace(tmp_path / "place", example=False)


def start(at: Workspace, address: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts `kgraph harvest` as a process of its own."""
    environment = {"PATH": os.environ["PATH"], "OPENALEX_ADDRESS": str(address), "OPENALEX_API_KEY": KEY, "COLUMNS": "120"}
    command = [sys.executable, "-m", "kgraph", "harvest", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=at.folder, env=environment, text=True, **options)


@pytest.fixture
def here(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `kgraph harvest` in this process, where nobody stops it: exit code, what it printed, what it complained of."""

    def call(at: Workspace, address: str, *arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            patched.chdir(at.folder)
            patched.setenv("OPENALEX_ADDRESS", str(address))
            patched.setenv("OPENALEX_API_KEY", KEY)
            patched.setenv("COLUMNS", "120")
            return run("harvest", *arguments)

    return call


def wait_for(requests: int, address: Address, process: "subprocess.Popen[str]") -> None:
    """Waits until the stand-in had so many requests, or the process has ended."""
    while len(address.requests) < requests and process.poll() is None:
        time.sleep(0.001)


def citing(number: int) -> list[dict[str, Any]]:
    """Works of which each cites the one before it and W1."""
    works = walks(number, cited_by_count=1)
    for n, work in enumerate(works[1:], 1):
        work["referenced_works"] = ["https://openalex.org/W1", f"https://openalex.org/W{n}"]
    return works


QUESTIONS = {
    "some": ("doi", *(f"10.1000/{n}" for n in range(801, 1001)), "--name", "some"),
    "search-walk": ("search", "walk"),
    "cites-w1": ("cites", "W1", "--steps", "2"),
    "cited-by-w900": ("cited-by", "W900", "--steps", "5"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_killed_at_any_moment_it_goes_on(name: str, tmp_path: Path, here: Run) -> None:
    """The files are those of a reading without a kill, and each kill costs at most the page that was on its way."""
    whole, torn = (create_workspace(tmp_path / which, example=False) for which in ("whole", "torn"))
    chance = random.Random()  # noqa: S311 - any moment will do
    with stand_in(works=citing(900)) as address:
        assert here(whole, address, *QUESTIONS[name])[0] == 0
        pages = len(address.requests)
        for _ in range(2):
            process = start(torn, address, *QUESTIONS[name])
            wait_for(len(address.requests) + chance.randint(0, pages // 2), address, process)
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            process.communicate()
        code, _, complaints = here(torn, address, *QUESTIONS[name])
        assert (code, complaints) == (0, "")
        assert len(address.requests) - pages <= pages + 2
    assert files(whole, name) == files(torn, name)
    assert not list((torn.built / "harvests").iterdir())


def test_ctrl_c_says_what_is_kept(place: Workspace, here: Run) -> None:
    with stand_in(works=walks(900), misbehave=Fault("slow", 0.03)) as address:
        process = start(place, address, "search", "walk")
        wait_for(3, address, process)
        process.send_signal(signal.SIGINT)
        told, complaints = process.communicate()
        assert (process.returncode, told) == (130, "")
        first, second = complaints.splitlines()
        assert first.startswith("search-walk: ")
        assert first.endswith(" works are kept, and not paid for again")
        assert second == "Stopped. The same command goes on from there"
        assert not (place.folder / "works").exists()
        address.behave()
        told = here(place, address, "search", "walk")[1]
        assert told.startswith("search-walk: works that match «walk»: 900 works\n9 requests, 90 credits")
        assert len(address.requests) <= 10


def test_progress_is_shown_on_a_terminal_alone(place: Workspace) -> None:
    screen, terminal = pty.openpty()
    with stand_in(works=walks(900), misbehave=Fault("slow", 0.02)) as address:
        process = start(place, address, "search", "walk", stderr=terminal)
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += os.read(screen, 65536)
            except OSError:  # the other end is closed
                break
        told = process.communicate()[0]
        os.close(screen)
    assert "\x1b" not in told
    assert told.startswith("search-walk: works that match «walk»: 900 works\n")
    assert b"/900" in shown
    assert b"credits left" in shown


def test_a_spent_budget_stops_it_and_the_next_day_it_goes_on(place: Workspace) -> None:
    days = 0
    asked = question.works([f"10.1000/{n}" for n in range(1, 501)])
    with stand_in(works=walks(500), budget=3, clock=lambda: datetime.now(UTC) + timedelta(days=days)) as address:
        for stopped_at in (4, 5):  # a second try on the same day asks once more, and no page twice
            with pytest.raises(BudgetSpent):
                harvest(place, address, asked)
            assert len(address.requests) == stopped_at
        days = 1
        ledger = harvest(place, address, asked)
        assert (ledger.works, ledger.credits, address.credits) == (500, 5, 5)


def test_a_spent_budget_as_people_see_it(place: Workspace, here: Run) -> None:
    with stand_in(works=walks(500), misbehave=Fault("spent", after=2)) as address:
        code, told, complaints = here(place, address, "search", "walk")
    assert (code, told) == (1, "")
    kept_line, error = complaints.splitlines()
    assert kept_line == "search-walk: 2 pages with 200 works are kept, and not paid for again"
    assert error.startswith("error: the day's credits at OpenAlex are spent. Resume after 20")


def test_a_refreshing_goes_on_too(place: Workspace) -> None:
    asked = question.works([f"W{n}" for n in range(1, 301)])
    with stand_in(works=walks(300)) as address:
        harvest(place, address, asked)
    with stand_in(works=walks(299), misbehave=Fault("spent", after=2)) as address:
        with pytest.raises(BudgetSpent):
            refresh(place, address, asked.name)
        address.behave()
        found = refresh(place, address, asked.name)
        assert [one["id"] for one in found.gone] == ["W300"]
        assert (found.ledger.works, found.requests, len(address.requests)) == (300, 3, 6)  # W300 is looked for by id and by DOI


def test_a_cursor_that_is_too_old_says_how_to_begin_anew(place: Workspace) -> None:
    with stand_in(works=walks(250), misbehave=Fault("spent", after=1)) as address, pytest.raises(BudgetSpent):
        harvest(place, address, question.search("walk"))
    with stand_in(works=walks(250)[200:]) as address, pytest.raises(BadRequest, match=r"it can begin anew: delete .*\.sqlite"):
        harvest(place, address, question.search("walk"))


def test_works_that_were_lost_are_read_again(place: Workspace) -> None:
    with stand_in(works=walks(3)) as address:
        harvest(place, address, question.search("walk"))
        (place.folder / "works" / "search-walk" / "works.jsonl.gz").unlink()
        assert harvest(place, address, question.search("walk")).works == 3


def test_a_storm_passes_and_nothing_is_lost(place: Workspace) -> None:
    with stand_in(works=walks(450), misbehave=[Fault("storm", 502, times=4, after=3)]) as address:
        with pytest.raises(ServerTrouble):
            harvest(place, address, question.search("walk"))
        assert harvest(place, address, question.search("walk")).works == 450
        assert sum(asked.status == 200 for asked in address.requests) == 5


def test_a_second_harvester_gets_one_clear_message(place: Workspace, here: Run) -> None:
    with stand_in(works=walks(900), misbehave=Fault("slow", 0.03)) as address:
        first = start(place, address, "search", "walk")
        wait_for(2, address, first)
        code, told, complaints = here(place, address, "doi", "10.1000/1")
        address.behave()
        first.communicate()
        assert (first.returncode, code, told) == (0, 1, "")
    assert complaints == (
        f"error: {place.folder}: another harvest of this workspace is under way. "
        "Wait until it has ended, then run the same command\n"
    )
    assert len(kept(place, "search-walk")) == 900


def test_a_disk_that_is_full(place: Workspace, here: Run) -> None:
    with stand_in(works=walks(900, padding="x" * 500)) as address:
        limits = resource.RLIMIT_FSIZE, (60_000, 60_000)
        full = start(place, address, "search", "walk", preexec_fn=lambda: resource.setrlimit(*limits))
        told, complaints = full.communicate()
        assert (full.returncode, told) == (1, "")
        assert "cannot be written" in complaints
        assert "then run the same command again: nothing is asked twice" in complaints
        assert not (place.folder / "works").exists()
        asked = len(address.requests)
        assert here(place, address, "search", "walk")[0] == 0
        assert len(address.requests) - asked < 9
    assert len(kept(place, "search-walk")) == 900


def test_a_publishing_that_is_broken_off_is_done_again_as_it_was(tmp_path: Path) -> None:
    whole, torn = (create_workspace(tmp_path / which, example=False) for which in ("whole", "torn"))
    with stand_in(works=net()) as address:
        asked = question.around("cites", ["W1"])
        for at in (whole, torn):
            harvest(at, address, asked)
        asked = question.around("cites", ["W1"], 2)
        harvest(whole, address, asked)
        in_the_way = torn.folder / "works" / asked.name / f".ledger.json.{os.getpid()}"
        in_the_way.mkdir()
        in_the_way.with_name(".works.jsonl.gz.12345").write_bytes(b"half of it, by a process that was killed")
        with pytest.raises(KgraphError, match="works/cites-w1: cannot be written"):
            harvest(torn, address, asked)
        in_the_way.rmdir()
        journal = torn.built / "harvests" / f"{asked.name}.sqlite"
        left = journal.read_bytes()
        requests = len(address.requests)
        harvest(torn, address, asked)
        journal.write_bytes(left)  # as if it had been killed just before the journal goes
        harvest(torn, address, asked)
        assert len(address.requests) == requests
        assert not journal.exists()
    assert files(whole, asked.name) == files(torn, asked.name)


def test_what_is_not_finished_is_not_mixed_with_something_else(place: Workspace) -> None:
    with stand_in(works=walks(450), misbehave=Fault("storm", after=2)) as address:
        for text in ("walk", "river"):
            asked = question.search(text)
            with pytest.raises(KgraphError) as raised:
                harvest(place, address, asked, name="x")
        assert "a reading of 'x' for something else is not finished. Finish it with the command that began" in str(raised.value)
        address.behave()
        assert harvest(place, address, asked, again=True, name="x").works == 450


@pytest.mark.parametrize("damage", [b"", b"no gzip", b"\x1f\x8b\x08\x00"])
def test_damaged_works_are_not_merged_with(place: Workspace, damage: bytes) -> None:
    with stand_in(works=walks(3)) as address:
        harvest(place, address, question.search("walk"))
        path = place.folder / "works" / "search-walk" / "works.jsonl.gz"
        path.write_bytes(damage)
        if damage:
            with pytest.raises(KgraphError, match=r"works.jsonl.gz: cannot be read.*Take the file back from your"):
                list(read_works(path))
        path.with_name("ledger.json").write_bytes(damage)
        with pytest.raises(KgraphError, match=r"ledger.json: cannot be read as a ledger"):
            read_ledger(place, "search-walk")


def test_a_damaged_journal_is_named(place: Workspace) -> None:
    path = place.built / "harvests" / "search-walk.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database, but long enough to be looked at" * 100)
    with stand_in(works=walks(3)) as address, pytest.raises(KgraphError, match=r"search-walk.sqlite: is damaged .* Delete it"):
        harvest(place, address, question.search("walk"))


def test_the_key_is_in_no_file_and_no_message(place: Workspace) -> None:
    with stand_in(works=walks(450)) as address:
        address.misbehave(Fault("spent", after=3))
        process = start(place, address, "search", "walk")
        told = "".join(process.communicate())
        everything = [path for path in place.folder.rglob("*") if path.is_file()]
        contents = [path.read_bytes() for path in everything]
        assert any(path.suffix == ".sqlite" for path in everything)
        address.behave()
        process = start(place, address, "search", "walk")
        told += "".join(process.communicate())
        contents += [path.read_bytes() for path in place.folder.rglob("*") if path.is_file()]
        assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in address.requests)
    assert not any(KEY.encode() in content for content in contents)
    assert KEY not in told
