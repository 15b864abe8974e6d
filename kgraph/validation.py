"""Says in words what is wrong with the form of a study file, with the line and a remedy.

So that one wrong key does not hide what else is wrong, `patched` puts a stand-in in its place: the rest can be checked.
"""

import copy
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from kgraph.errors import Problem
from kgraph.study import FORMS, Record, Study
from kgraph.yamlfile import Location, YamlFile

STAND_IN = "stand-in"


def nearest(word: str, words: Iterable[str]) -> str:
    """A remedy that offers the words most like `word`."""
    close = difflib.get_close_matches(word, list(words), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def field_name(location: Location) -> str:
    """A location as messages name it: `themes.2.label`, counted from 1."""
    return ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)


def schema_problem(details: ErrorDetails, yaml: YamlFile) -> Problem:
    """The problem that an error of pydantic stands for."""
    location = tuple(details["loc"])
    name = field_name(location)
    found, remedy = details["msg"], ""
    match details["type"]:
        case "missing":
            found, remedy = "this key is missing", f"Add {location[-1]}"
        case "list_type":
            found, remedy = "a list is wanted here", "Write [one, another], or one item a line, each after a hyphen"
        case "model_type" | "dict_type" | "model_attributes_type":
            found, remedy = "keys with values are wanted here", "Write one a line, indented: key: value"
        case "string_type" if details["input"] is None:
            found, remedy = "nothing stands here", "Write it"
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


def _fields(model: type[Record]) -> dict[str, Any]:
    """The fields of a record by the keys that a file has for them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def unknown_key(path: str) -> str | None:
    """A remedy where a path of keys (`design.sampleSize`) leads nowhere in a study file; None where it is right."""
    model: type[Record] | None = Study
    for part in path.split("."):
        fields = _fields(model) if model is not None else {}
        if part not in fields:
            return nearest(part, fields) or (f"Known here: {', '.join(fields)}" if fields else "Nothing stands below it")
        model = next(_models(fields[part].annotation), None)
    return None


def _known_keys(location: Location) -> str:
    model: type[Record] = Study
    for part in location[:-1]:
        if isinstance(part, str) and part in (fields := _fields(model)):
            model = next(_models(fields[part].annotation), model)
    keys = list(_fields(model))
    return nearest(str(location[-1]), keys) or f"Known here: {', '.join(keys)}"


def _models(annotation: Any) -> Iterator[type[Record]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


@dataclass(frozen=True)
class Patched:
    """A study whose wrong places hold stand-ins, and those places as `Problem.field` names them."""

    study: Study
    places: frozenset[str]
    lost: frozenset[str]

    def touches(self, problem: Problem) -> bool:
        """Whether a problem is about a stand-in, or about a name that a stand-in took the place of."""
        at_place = any(problem.field == place or problem.field.startswith(place + ".") for place in self.places)
        return at_place or any(repr(name) in problem.found for name in self.lost)


def patched(data: Any, error: ValidationError, rounds: int = 3) -> Patched | None:
    """The study with a stand-in at each place that `error` names, or None where that does not make it one."""
    data, places, lost = copy.deepcopy(data), set(), set()
    for _ in range(rounds):
        for details in error.errors():
            _patch(data, details)
            places.add(field_name(details["loc"]))
            if isinstance(details["input"], str):
                lost.add(details["input"])
        try:
            return Patched(Study.model_validate(data), frozenset(places), frozenset(lost))
        except ValidationError as again:
            error = again
    return None


def _patch(root: Any, details: ErrorDetails) -> None:
    last: Any
    *above, last = details["loc"] or ("",)
    data: Any = root
    annotation: Any = Study
    part: Any
    for part in above:
        if not isinstance(data, list) and not (isinstance(data, dict) and part in data):
            return
        data, annotation = data[part], _below(annotation, part)
    if isinstance(data, dict) and details["type"] == "extra_forbidden":
        data.pop(last, None)
    elif isinstance(data, dict | list):
        there = data[last] if isinstance(data, list) or last in data else None
        made = _stand_in(_below(annotation, last))
        if isinstance(there, dict) and isinstance(made, dict) and "id" in made and "id" in there:
            made["id"] = there["id"]  # others name it
        data[last] = made


def _below(annotation: Any, part: Any) -> Any:
    """The type of what stands under a key, or at a place in a list."""
    if isinstance(part, int):
        lists = [a for a in (annotation, *get_args(annotation)) if get_origin(a) is list]
        return get_args(lists[0])[0] if lists else Any
    info = _fields(next(_models(annotation), Study)).get(part)
    if info is None:
        return Any
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _stand_in(annotation: Any) -> Any:
    """The plainest value of a type."""
    records = [annotation] if isinstance(annotation, type) and issubclass(annotation, Record) else []
    choices = [value for part in (annotation, *get_args(annotation)) if get_origin(part) is Literal for value in get_args(part)]
    for value in (
        None,
        STAND_IN,
        "1",
        "q00",
        "a000",
        "en",
        "XX",
        "0" * 64,
        "10.1000/x",
        "https://example.org/",
        [],
        [STAND_IN],
        *choices,
    ):
        if not records and _fits(annotation, value):
            return value
    record: dict[str, Any] = {}
    for model in records:
        fields = _fields(model)
        record = {key: _stand_in(_below(model, key)) for key, info in fields.items() if info.is_required()}
        for key in [""] if _fits(model, record) else [key for key, info in fields.items() if not info.is_required()]:
            for value in (STAND_IN, [STAND_IN]):
                if key and _fits(model, {**record, key: value}):
                    return {**record, key: value}
    return record


def _fits(annotation: Any, value: Any) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True
