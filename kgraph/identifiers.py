"""The form of the identifiers of vocabularies that concepts are mapped to: what a mistyped one gives itself away by."""

import re

from kgraph.names import PREFIXES

FORMS = {  # by prefix: the form, and the form in words
    "MESH": (r"D\d{6}(\d{3})?", "D and six or nine digits, such as D012944"),
    "SNOMEDCT": (r"[1-9]\d{5,17}", "6 to 18 digits, the last of them a check digit, such as 58214004"),
    "DOID": (r"\d+", "digits, such as 5419"),
    "BCIO": (r"\d{6}", "six digits, such as 007041"),
    "ADDICTO": (r"\d{7}", "seven digits, such as 0000715"),
    "MFOEM": (r"\d{6}", "six digits, such as 000177"),
    "GMHO": (r"\d{7}", "seven digits, such as 0000248"),
}
_ANY = (r"[^\s<>\"{}|\\^`]+", 'it without spaces and without the signs < > " { } | \\ ^ `')


def wrong_form(space: str, identifier: str) -> tuple[str, str] | None:
    """What is wrong with an identifier of the vocabulary whose IRIs begin with `space`, and the remedy, or None."""
    prefix = next((name for name in FORMS if PREFIXES[name] == space), "")
    form, means = FORMS.get(prefix, _ANY)
    if not re.fullmatch(form, identifier, re.ASCII):
        return "has not the form of such an identifier", f"Write {means}"
    if prefix == "SNOMEDCT" and not checks_out(identifier):
        return "has a wrong check digit", "Look it up again: a digit is wrong, or two are swapped"
    return None


def checks_out(number: str) -> bool:
    """Whether the last digit of a number is the check digit of the others by Verhoeff's scheme, as SNOMED CT has it."""
    checked = 0
    for place, character in enumerate(reversed(number)):
        digit = int(character)
        for _ in range(place % 8):
            digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
        checked = _times(checked, digit)
    return checked == 0


def _times(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order ten: 0 to 4 are turns, 5 to 9 reflections."""
    turned = a % 5 + b % 5 if a < 5 else a % 5 - b % 5
    return turned % 5 + (0 if (a < 5) == (b < 5) else 5)
