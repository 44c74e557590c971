"""Set up and start Riffbot with nothing but Python: `python bootstrap.py run`.

Makes a virtual environment in `.venv`, installs Riffbot into it, and does what was asked:

    python bootstrap.py run [options of `riffbot run`]
    python bootstrap.py test [options of pytest]
    python bootstrap.py lint
    python bootstrap.py starter-data    (or starter: training, for days; see generation/training)

It uses the standard library only and works where there is no `make`, on Windows too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST_PYTHON = (3, 11)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
TRAINING = {
    "starter-data": "generation.training.data",
    "starter": "generation.training.starter",
}
# Tests wait for other processes half of the time, so two halves run at once; `tests/conftest.py`
# puts their files in order.
WHOLE_SUITE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main(arguments: list[str]) -> int:
    """Carry out one task; returns its exit status."""
    if sys.version_info < OLDEST_PYTHON:
        return fail("Riffbot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ".")
    task, *rest = arguments or ["run"]
    if task == "run":
        install("")
        return call(PYTHON, "-m", "bot.cli", "run", *rest)
    if task == "test":
        install("dev")
        find_browser()
        return call(PYTHON, "-m", "pytest", *(rest or WHOLE_SUITE))
    if task == "lint":
        install("dev")
        return (
            call(PYTHON, "-m", "ruff", "check", ".")
            or call(PYTHON, "-m", "ruff", "format", "--check", ".")
            or call(PYTHON, "-m", "mypy")
        )
    if task in TRAINING:
        install("train")
        return call(PYTHON, "-m", TRAINING[task], *rest)
    return fail(
        f"I do not know the task {task!r}; there are run, test, lint, starter-data, starter."
    )


def install(extra: str) -> None:
    """Make the virtual environment and install into it, unless nothing changed since last time."""
    stamp = VENV / f"installed-{extra or 'run'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not PYTHON.exists():
        print("Making a virtual environment in .venv …", flush=True)
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit(
                fail("Python's venv module is incomplete; on Debian: apt install python3-venv")
            )
    print("Installing Riffbot and what it needs; the first time takes some minutes …", flush=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    options = ["--extra-index-url", CPU_WHEELS] if wants_cpu_wheels() else []
    status = call(PYTHON, "-m", "pip", "install", "--quiet", *options, "-e", target)
    if status:
        sys.exit(fail("The installation failed; pip's message above says why."))
    stamp.write_text(wanted)


def wants_cpu_wheels() -> bool:
    """On Linux, PyPI's torch brings gigabytes of CUDA that a machine without a GPU cannot use."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return False
    if os.environ.get("PIP_FIND_LINKS") or os.environ.get("PIP_INDEX_URL"):
        return False  # whoever set these has their own source of packages
    try:
        with urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=5):
            return True
    except OSError:
        return False


def find_browser() -> None:
    """The page tests need Chromium: install it where that is possible without asking."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        call("apt-get", "update", "-qq")
        call("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    if not any(shutil.which(name) for name in BROWSERS):
        sys.exit(fail("The page tests need Chromium or Chrome on the PATH; please install it."))


def call(*command: str | Path) -> int:
    """Run a program in the project's folder; Ctrl-C is for the program to answer."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def fail(sentence: str) -> int:
    """Say what is wrong; returns the exit status for it."""
    print(f"bootstrap: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
