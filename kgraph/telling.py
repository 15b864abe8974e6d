"""What several commands tell in the same way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from kgraph.errors import KgraphError


@contextmanager
def json_errors(as_json: bool) -> Iterator[None]:
    """With --json, errors are an answer too."""
    try:
        yield
    except KgraphError as error:
        if not as_json:
            raise
        tell_json({"ok": False, "problems": [problem.as_dict() for problem in error.problems]})
        raise typer.Exit(1) from error


def tell_json(values: Any) -> None:
    """Prints values for programs."""
    print(json.dumps(values, ensure_ascii=False, indent=1))
