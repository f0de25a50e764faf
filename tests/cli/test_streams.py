"""What libraries write is kept away from what the command says; what was closed is open and leads nowhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from cli.streams import prepare_streams
prepare_streams(with_libraries={shown})
os.write(1, b"library out\\n")
os.write(2, b"library err\\n")
os.system("echo child; echo child >&2")
print("own out")
print("own err", file=sys.stderr)
"""


@pytest.mark.parametrize("shown", [False, True])
def test_libraries_and_children_are_heard_only_when_asked_for(shown: bool) -> None:
    program = PROGRAM.format(shown=shown)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "own out\n"
    theirs = ["library out", "library err", "child", "child"] if shown else []
    assert result.stderr.splitlines() == [*theirs, "own err"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"])
def test_what_was_closed_is_not_given_to_a_file(closed: str) -> None:
    program = """
import os
from cli.streams import prepare_streams
prepare_streams(with_libraries=False)
handle = os.open("/dev/zero", os.O_RDONLY)
os._exit(handle if handle < 3 else 0)
"""
    result = subprocess.run(["bash", "-c", f'"$0" -c "$1" {closed}', sys.executable, program], capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_standard_input_that_was_closed_has_ended() -> None:
    program = (
        "import sys; from cli.streams import prepare_streams as p; p(with_libraries=False); print(sys.stdin.read())"
    )
    result = subprocess.run(["bash", "-c", '"$0" -c "$1" <&-', sys.executable, program], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "\n")
