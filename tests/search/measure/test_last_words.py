"""Why a process died, by what it wrote last."""

from __future__ import annotations

import subprocess
import sys

import pytest

from search.measure.last_words import LastWords, cause_of_death

DYING = {
    "import ctypes; ctypes.string_at(0)": "its process crashed (segmentation fault)",
    "os.abort()": "its process crashed (abort)",
    "os.kill(os.getpid(), signal.SIGILL)": "its process crashed (illegal instruction: is the target this machine's?)",
    "os.kill(os.getpid(), signal.SIGBUS)": "its process crashed (bus error)",
    "os.kill(os.getpid(), signal.SIGFPE)": "its process crashed (arithmetic fault, such as a division by zero)",
    "os._exit(3)": "its process ended",
    "os.kill(os.getpid(), signal.SIGKILL)": "its process ended",
    "os.write(2, b'JIT session error: Symbols not found: [ f ]\\n'); os.abort()": (
        "its process crashed (abort): Symbols not found: [ f ]"
    ),
}


@pytest.mark.parametrize(("dying", "cause"), DYING.items())
def test_a_process_that_dies(dying: str, cause: str) -> None:
    said = LastWords()
    program = f"import faulthandler, os, signal; faulthandler.enable(all_threads=False)\n{dying}"
    subprocess.run([sys.executable, "-c", program], stderr=said.descriptor)
    assert cause_of_death(said.read()) == cause
    said.close()


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", "its process ended"),
        ("warning: odd\n!!!!!!! TVM encountered a Segfault !!!!!!!\nStack trace:\n  0: x", "(segmentation fault)"),
        ("LLVM ERROR: IO failure on output stream: No space left on device\nPLEASE submit", "No space left on device"),
        ("x.so: undefined symbol: nosuch\n", "its process ended: undefined symbol: nosuch"),
        (
            "terminate called\n  what():  std::bad_alloc\nFatal Python error: Aborted\n",
            "(abort): what():  std::bad_alloc",
        ),
        ("double free or corruption (out)\nFatal Python error: Aborted\n", "(abort): double free or corruption (out)"),
    ],
)
def test_what_a_process_says(said: str, cause: str) -> None:
    assert cause in cause_of_death(said)
    assert "\n" not in cause_of_death(said)


def test_only_the_end_of_much_is_read_and_earlier_tasks_are_forgotten() -> None:
    said = LastWords()
    speak = [sys.executable, "-c", "import os; os.write(2, b'undefined symbol: f\\n' + b'x' * 200_000)"]
    subprocess.run(speak, stderr=said.descriptor)
    assert len(said.read()) == 1 << 16
    said.forget()
    assert said.read() == ""
    subprocess.run([sys.executable, "-c", "import os; os.write(2, b'again')"], stderr=said.descriptor)
    assert said.read() == "again"
    said.close()
    said.close()
