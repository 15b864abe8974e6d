"""Builds in processes of their own, which are killed: at a step, or from outside."""

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kgraph.build import build
from kgraph.workspace import Workspace

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["kgraph.build"])  # so that the next process is there at once


def start(folder: Path, step: str = "", after: bool = False, force: bool = False) -> BaseProcess:
    """Starts a build. It kills itself as it is about to put something in the place of that name, or just after it did."""
    process = _SERVER.Process(target=_build, args=(folder, step, after, force))
    process.start()
    return process


def _build(folder: Path, step: str, after: bool, force: bool) -> None:
    replace = os.replace

    def replace_and_die(old: Any, new: Any) -> None:
        here = Path(new).name == step or (step and Path(new).suffix == step)
        if here and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(old, new)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace_and_die  # type: ignore[assignment]
    build(Workspace(folder), force=force)
