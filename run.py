#!/usr/bin/env python3
"""Sets kgraph up in .venv beside this file and runs it. Needs nothing but Python 3.11 or newer.

    python3 run.py                 build the example in ./example and serve it
    python3 run.py test [ARG...]   run the tests (arguments go to pytest)
    python3 run.py kgraph ARG...   run the kgraph command

Run again, it is quick: what is set up is kept until pyproject.toml changes.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")


def set_up(extra: str = "") -> None:
    """Installs kgraph (editable) with an extra, unless the very same is installed already."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    mark = VENV / f"installed{extra}"
    if PYTHON.exists() and mark.exists() and mark.read_text() == wanted:
        return
    print("Setting up .venv (once; about a minute) ...", flush=True)
    if not PYTHON.exists():
        make_environment()
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    pip("install", "--quiet", "--disable-pip-version-check", "-e", target)
    mark.write_text(wanted)


def make_environment() -> None:
    """Makes the virtual environment, with the pip of this Python where it has no ensurepip."""
    try:
        import ensurepip  # noqa: F401

        venv.create(VENV, with_pip=True)
    except ImportError:
        venv.create(VENV, with_pip=False)


def pip(*arguments: str) -> None:
    """Runs pip for the virtual environment."""
    inside = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    command: list[str | Path] = [PYTHON, "-m", "pip"] if inside else [sys.executable, "-m", "pip", "--python", PYTHON]
    if subprocess.run([*command, *arguments], check=False).returncode:
        sys.exit("The installation failed; see above. Without ensurepip and pip (Debian), first: apt install python3-venv")


def main() -> int:
    """Does what the arguments say; returns the exit code of what was run."""
    if sys.hexversion < 0x030B0000:
        sys.exit(f"kgraph needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    task, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("example", [])
    if task not in ("example", "test", "kgraph"):
        sys.exit(__doc__)
    set_up("test" if task == "test" else "")
    kgraph: list[str | Path] = [PYTHON, "-m", "kgraph"]
    if task == "kgraph":
        return subprocess.run([*kgraph, *rest], check=False).returncode
    if task == "test":
        steps: list[list[str | Path]] = [
            [PYTHON, "-m", "ruff", "check", "."],
            [PYTHON, "-m", "ruff", "format", "--check", "."],
            [PYTHON, "-m", "mypy"],
            [PYTHON, "-m", "pytest", "-n", "auto", "--dist", "loadgroup", *rest],
        ]
        return next((code for step in steps if (code := subprocess.run(step, cwd=ROOT, check=False).returncode)), 0)
    example = ROOT / "example"
    if not (example / "kgraph.toml").exists():
        subprocess.run([*kgraph, "init", example, "--example"], check=True)
    built = subprocess.run([*kgraph, "build", "-w", example], check=False).returncode
    try:
        return built or subprocess.run([*kgraph, "serve", "-w", example, *rest], check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
