"""Passages are found where they stand, or refused: never somewhere else, and never when a letter differs."""

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kgraph.anchors import AnchoredText, AnchorError, Span, normal_form, plain, sha256

LETTERS = "abcdeé她的 .,"
PRINTED = LETTERS + "‘’“”'\"–—-*\\\n\u00a0\u00ad"
TEXTS = st.text(alphabet=PRINTED, min_size=1, max_size=200)
VARIANTS = {"'": "‘’‛′'", '"': '“”„″"', "-": "–—‑−-", " ": (" ", "\n", "\u00a0", "  ", "\t", " \n ")}


def standing(text: str, exact: str) -> str:
    found = AnchoredText(text)
    return found.exact(found.find(exact))


@given(TEXTS)
def test_normal_form_maps_back_to_the_text(text: str) -> None:
    normal, positions = normal_form(text)
    assert len(normal) == len(positions)
    assert positions == sorted(set(positions))
    for character, position in zip(normal, positions, strict=True):
        assert normal_form(text[position])[0] == character
    assert normal_form(normal)[0].replace("-", "") == normal.replace("-", "")


@pytest.mark.parametrize(
    ("printed", "normal"),
    [
        ("a  b\n\tc\u00a0d", "a b c d"),
        ("“It’s” ‘so’", "\"It's\" 'so'"),
        ("2–3—4 − 1", "2-3-4 - 1"),
        ("*very* \\(CC\\)", "very (CC)"),
        ("reha\u00adbilitation", "rehabilitation"),
        ("rehabili-\ntation", "rehabilitation"),
        ("rehabili- \n  tation", "rehabilitation"),
        ("Shanghai-\nPuxi", "Shanghai- Puxi"),  # before a capital letter the hyphen stays
        ("zero\u200bwidth", "zerowidth"),
    ],
)
def test_normal_form(printed: str, normal: str) -> None:
    assert normal_form(printed)[0] == normal


@st.composite
def stretches(draw: st.DrawFn) -> tuple[str, int, int]:
    text = draw(TEXTS)
    start = draw(st.integers(0, len(text) - 1))
    return text, start, draw(st.integers(start + 1, len(text)))


def reprint(draw: st.DataObject, words: str) -> str:
    """The words with other quotation marks, dashes, white space and emphasis: another printing of the same."""
    result = []
    for character in normal_form(words)[0]:
        result.append(draw.draw(st.sampled_from(VARIANTS[character])) if character in VARIANTS else character)
        if draw.draw(st.integers(0, 9)) == 0:
            result.append("*")
    return "".join(result)


@settings(max_examples=300, deadline=None)
@given(stretches(), st.data())
def test_another_printing_is_found_where_it_was_or_refused(stretch: tuple[str, int, int], data: st.DataObject) -> None:
    text, start, end = stretch
    positions = [i for i in normal_form(text)[1] if start <= i < end and not text[i].isspace()]
    # the cut must not fall on a hyphen at a line end: alone it reads as a hyphen, in the text it joins two halves
    assume(not re.search(r"[-‐\u00ad]\s*$", text[start:end]))
    words = reprint(data, text[start:end])
    assume(not re.search(r"[-–—‑−]\*?\s*\n", words))
    if not positions:
        with pytest.raises(AnchorError):
            AnchoredText(text).find(words)
        return
    place = Span(positions[0], positions[-1] + 1)
    repeated = re.findall(f"(?={re.escape(normal_form(words)[0].strip())})", normal_form(text)[0])
    if len(repeated) == 1:
        assert AnchoredText(text).find(words) == place
    else:
        with pytest.raises(AnchorError, match="times"):
            AnchoredText(text).find(words)


@settings(max_examples=200, deadline=None)
@given(stretches(), st.data())
def test_a_changed_letter_is_never_found(stretch: tuple[str, int, int], data: st.DataObject) -> None:
    text, start, end = stretch
    words = text[start:end]
    letters = [i for i, character in enumerate(words) if character.isalpha()]
    assume(letters)
    at = data.draw(st.sampled_from(letters))
    changed = words[:at] + data.draw(st.sampled_from("xyzXÉ他")) + words[at + 1 :]
    with pytest.raises(AnchorError, match="not in the source text"):
        AnchoredText(text).find(changed, prefix=text[:start], near=start)


@example("Ä", "a")
@example("word", "Word")
@example("word", "wοrd")  # a Greek omicron
@given(st.text(alphabet="abc", min_size=3, max_size=8), st.text(alphabet="abc", min_size=3, max_size=8))
def test_only_the_same_letters_match(text: str, words: str) -> None:
    if words in text:
        return
    with pytest.raises(AnchorError):
        AnchoredText(text).find(words)


TWICE = "First, we walk by the river. Then, we walk by the river. Last, we rest."


@pytest.mark.parametrize(
    ("context", "start"),
    [
        ({"prefix": "First,"}, 7),
        ({"prefix": "Then,"}, 35),
        ({"prefix": "  then, ".title()}, 35),
        ({"suffix": ". Then"}, 7),
        ({"suffix": ". Last"}, 35),
        ({"prefix": "Then,", "suffix": ". Last"}, 35),
        ({"near": 0}, 7),
        ({"near": 40}, 35),
        ({"prefix": "First,", "near": 40}, 7),  # the words around it come first, the position after them
    ],
)
def test_context_decides_between_repetitions(context: dict[str, str | int], start: int) -> None:
    assert AnchoredText(TWICE).find("we walk by the river", **context).start == start  # type: ignore[arg-type]


@pytest.mark.parametrize("context", [{}, {"near": 21}, {"suffix": "."}, {"prefix": ","}])
def test_a_tie_is_refused(context: dict[str, str | int]) -> None:
    with pytest.raises(AnchorError, match="occur 2 times") as caught:
        AnchoredText(TWICE).find("we walk by the river", **context)  # type: ignore[arg-type]
    assert "prefix" in caught.value.remedy


def test_words_with_another_context_are_refused_even_when_they_stand_once() -> None:
    with pytest.raises(AnchorError, match="only with other words around it"):
        AnchoredText(TWICE).find("we rest", prefix="First,")


def test_overlapping_repetitions_count() -> None:
    with pytest.raises(AnchorError, match="occur 2 times"):
        AnchoredText("ananas").find("ana")


@pytest.mark.parametrize(
    "exact", [f"peer {word} works" for word in ("rehabilitation", "rehabili-\ntation", "rehabili\u00adtation")]
)
def test_hyphen_at_a_line_end(exact: str) -> None:
    assert standing("So peer rehabili-\ntation works.", exact) == "peer rehabili-\ntation works"


def test_what_is_kept_is_the_text_as_it_stands() -> None:
    text = "He said: “It’s *all*\n right” – so."
    assert standing(text, '"It\'s all right" - so') == "“It’s *all*\n right” – so"


def test_did_you_mean() -> None:
    text = AnchoredText("Before. I walk with her because she waits for me. After.")
    with pytest.raises(AnchorError) as caught:
        text.find("I walk with her because she waited for me")
    assert caught.value.suggestion == "I walk with her because she waits for me"
    assert caught.value.remedy.startswith("Did you mean: «")
    with pytest.raises(AnchorError) as caught:
        text.find("Nothing like this was ever said by anybody")
    assert caught.value.suggestion == ""
    assert caught.value.remedy == "Copy the words from the source text"


@pytest.mark.parametrize("exact", ["", " ", "**", "\u00ad"])
def test_no_words(exact: str) -> None:
    with pytest.raises(AnchorError, match="no words"):
        AnchoredText("text").find(exact)


def test_an_empty_source_text() -> None:
    with pytest.raises(AnchorError, match="not in the source text"):
        AnchoredText("").find("words")


def test_context_is_cut_at_the_ends() -> None:
    text = AnchoredText("short text")
    assert (text.prefix(Span(0, 5)), text.suffix(Span(6, 10))) == ("", "")
    assert len(AnchoredText("x" * 200).prefix(Span(100, 101))) == 40


def test_hash_is_of_the_composed_form() -> None:
    assert sha256("e\u0301") == sha256("é") != sha256("e")


def test_plain() -> None:
    assert plain("*Psychiatr\n Rehabil* J\\. reha-\nbil") == "Psychiatr Rehabil J. rehabil"
