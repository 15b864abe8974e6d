"""Says in words what is wrong with the form of a study file, with the line and a remedy."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import ErrorDetails

from kgraph.errors import Problem
from kgraph.study import FORMS, Record, Study
from kgraph.yamlfile import Location, YamlFile


def nearest(word: str, words: Iterable[str]) -> str:
    """A remedy that offers the words most like `word`."""
    close = difflib.get_close_matches(word, list(words), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def schema_problem(details: ErrorDetails, yaml: YamlFile) -> Problem:
    """The problem that an error of pydantic stands for."""
    location = tuple(details["loc"])
    name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)
    found, remedy = details["msg"], ""
    match details["type"]:
        case "missing":
            found, remedy = "this key is missing", f"Add {location[-1]}"
        case "list_type":
            found, remedy = "a list is wanted here", "Write [one, another], or one item a line, each after a hyphen"
        case "model_type" | "dict_type" | "model_attributes_type":
            found, remedy = "keys with values are wanted here", "Write one a line, indented: key: value"
        case "string_type":
            found, remedy = "a text is wanted here", "Write one text, in quotation marks where in doubt"
        case "int_parsing" | "int_from_float" | "int_type":
            found, remedy = f"{details['input']!r} is no whole number", "Write digits alone"
        case "float_parsing" | "float_type" | "finite_number":
            found, remedy = f"{details['input']!r} is no number", "Write a number such as 2 or 0.5"
        case "greater_than_equal" | "less_than_equal" as kind:
            limit = details.get("ctx", {}).get("ge" if kind == "greater_than_equal" else "le")
            found = f"{details['input']!r} is too {'small' if kind == 'greater_than_equal' else 'large'}"
            remedy = f"Write a number {'from' if kind == 'greater_than_equal' else 'up to'} {limit:g}"
        case "too_short" | "string_too_short":
            found, remedy = "nothing stands here", "Write it, or take the key out"
        case "extra_forbidden":
            found, remedy = "this key is not known", _known_keys(location)
        case "literal_error":
            expected = details.get("ctx", {}).get("expected", "")
            found, remedy = f"{details['input']!r} is not one of the values", f"Write one of {expected}"
        case "string_pattern_mismatch":
            found = f"{details['input']!r} has not the right form"
            pattern = details.get("ctx", {}).get("pattern", "")
            remedy = f"Write {FORMS.get(pattern, f'what matches {pattern}')}"
        case "value_error":
            found = str(details.get("ctx", {}).get("error", found))
        case _:
            if isinstance(details["input"], str):
                found = f"{details['input']!r}: {found}"
    return Problem(found, remedy, str(yaml.path), yaml.line(location), name, check="schema")


def _known_keys(location: Location) -> str:
    model: Any = Study
    for part in location[:-1]:
        if isinstance(part, str):
            fields = {info.alias or name: info for name, info in model.model_fields.items()}
            model = next((m for m in _models(fields[part].annotation)), model) if part in fields else model
    keys = [info.alias or name for name, info in model.model_fields.items()]
    return nearest(str(location[-1]), keys) or f"Known here: {', '.join(keys)}"


def _models(annotation: Any) -> Iterator[type[Record]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
