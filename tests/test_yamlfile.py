"""A YAML file is read as what it says, or refused with its line and what to do about it."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgraph.errors import KgraphError, Problem
from kgraph.yamlfile import MAX_BYTES, read_text, read_yaml


def refused(path: Path, content: str | bytes) -> Problem:
    """The only problem of a file with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KgraphError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.remedy, "a message says what to do"
    return problem


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


def test_strings_stay_strings(path: Path) -> None:
    path.write_text(
        "country: NO\nother: no\nversion: 1.10\ntime: 12:30:45\nhex: 0x1F\ndate: 2024-01-02\nyes: true\nnull: ~\n"
        'empty: ""\nnothing:\nlist: [NO, 007]\nfolded: >-\n  one\n  two\n',
        encoding="utf-8",
    )
    assert read_yaml(path).data == {
        "country": "NO",
        "other": "no",
        "version": "1.10",
        "time": "12:30:45",
        "hex": "0x1F",
        "date": "2024-01-02",
        "yes": "true",
        "null": "~",
        "empty": "",
        "nothing": None,
        "list": ["NO", "007"],
        "folded": "one two",
    }


def test_every_value_knows_its_line(path: Path) -> None:
    path.write_text("a: 1\nb:\n  - c: 2\n    d:\n      - x\n      - y\n", encoding="utf-8")
    found = read_yaml(path)
    assert [found.line(place) for place in ((), ("a",), ("b", 0), ("b", 0, "c"), ("b", 0, "d", 1))] == [1, 1, 3, 3, 6]
    assert found.line(("b", 0, "d", 1, "unknown", "below")) == 6
    assert found.line(("unknown",)) == 1


BOMB = "a: &a [lol, lol]\n" + "".join(
    f"{k}: &{k} [*{j}, *{j}, *{j}, *{j}]\n" for j, k in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "line", "field", "found", "remedy"),
    [
        ("", None, "", "empty", "remove it"),
        (" \n\n", None, "", "empty", "remove it"),
        ("# nothing but\n# comments\n", 1, "", "nothing but comments", "remove it"),
        ("a: 1\nb:\n  c: 2\n  d: 3\n  c: 4\n", 5, "c", "stands twice, first on line 3", "Keep one"),
        ('a: 1\n"\\x61": 2\n', 2, "a", "stands twice, first on line 1", "Keep one"),
        ("a:\n\tb: 1\n", 2, "", "cannot start any token", "never with tabs"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "", "tab", "never with tabs"),
        ("a: one: two\n", 1, "", "mapping values are not allowed", "quote a text that holds ': '"),
        ('a: 1\nb: "open\n', 3, "", "unexpected end of stream", "Correct the YAML"),
        ("a: 1\n---\nb: 2\n", 2, "", "second document", "one document a file"),
        ("a: &x 1\n", 1, "", "anchors", "Write the text out"),
        ("a: *x\n", 1, "", "anchors", "Write the text out"),
        (BOMB, 1, "", "anchors", "Write the text out"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "", "tag", "Remove the tag"),
        ("a: 1\nb: !secret x\n", 2, "", "the tag !secret", "Remove the tag"),
        ("[a]: 1\n", 1, "", "a key is a list", "plain words"),
        ("? {a: b}\n: 1\n", 1, "", "a key is a list", "plain words"),
        ("a: 1\nb: x\x07y\n", 2, "", "U+0007", "Remove it"),
        ("a: 1\nb: x\u202ey\n", 2, "", "U+202E", "Remove it"),
        ('a: 1\nb: "x\\u202Ey"\n', 2, "", "U+202E", "Remove it"),
        ('a: 1\n"b\\0": x\n', 2, "", "U+0000", "Remove it"),
        ('a: "\\ud800"\n', 1, "", "invalid Unicode", "Correct the YAML"),
        (b"a: 1\nb: caf\xe9\n", 2, "", "byte 12 (0xe9) is not UTF-8", "as UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "", "is not UTF-8", "as UTF-8"),
        ("%YAML 1.3\n---\na: 1\n", 1, "", "incompatible YAML", "Correct the YAML"),
    ],
)  # fmt: skip
def test_what_is_refused(path: Path, content: str | bytes, line: int | None, field: str, found: str, remedy: str) -> None:
    problem = refused(path, content)
    assert (problem.line, problem.field) == (line, field)
    assert found in problem.found
    assert remedy in problem.remedy


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_deep_nesting_is_refused_at_once(path: Path, opening: str) -> None:
    started = time.perf_counter()
    problem = refused(path, opening * 100_000)
    assert problem.line == 1
    assert "deep" in problem.found or "a key is a list" in problem.found
    assert time.perf_counter() - started < 2


def test_a_file_too_large_is_not_even_read(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)  # a sparse file
    with pytest.raises(KgraphError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: the file has 52,428,800 bytes. Files up to {MAX_BYTES:,} bytes are read: split it"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(KgraphError, match=r"cannot be read \(.+\). Check the path"):
        read_yaml(tmp_path / name)


def test_text_is_normalised_once(path: Path) -> None:
    path.write_bytes('\ufeffa: e\u0301\r\nb: "e\\u0301"\rc: x\n'.encode())
    assert read_text(path) == 'a: é\nb: "e\\u0301"\nc: x\n'
    assert read_yaml(path).data == {"a": "é", "b": "é", "c": "x"}, "escapes too"


@given(
    st.dictionaries(
        st.text("abcé他:#-!&*?[]{}'\" \n", min_size=1, max_size=6), st.text("ab:#-!&*?[]{}'\"%@`|> \n他", max_size=12)
    )
)
def test_whatever_is_quoted_comes_back(tmp_path_factory: pytest.TempPathFactory, data: dict[str, str]) -> None:
    import json

    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    assert read_yaml(path).data == data
