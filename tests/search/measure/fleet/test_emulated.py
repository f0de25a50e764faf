"""A server of another architecture, which QEMU runs here: programs are sent to it, run and compared, and told no speed.

TUNEDB_AARCH64_PYTHON names a folder with Python for AArch64 in `root` and TVM with what it needs in `site`, as
docs/machines.md says how to make it.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.search.measure import modules
from tests.search.measure.fleet.loopback import Loopback, fleet, free_port, loopback
from tests.search.measure.fleet.test_fleet import handed_over
from tests.search.measure.fleet.test_serving import wait_for
from tests.search.networks.foreign import needs
from tunedb.records import Outcome

pytestmark = [pytest.mark.tvm, pytest.mark.slow, needs("aarch64-linux-gnu-g++", "qemu-aarch64-static")]

AARCH64 = '{"kind":"llvm","mtriple":"aarch64-linux-gnu","mcpu":"cortex-a72","num-cores":1}'
_SERVER = """
import sys
from tvm.rpc.server import PopenRPCServerState
own, tracker = map(int, sys.argv[1:])
PopenRPCServerState("127.0.0.1", own, own + 1, tracker_addr=("127.0.0.1", tracker), key="a64").thread.join()
"""


@pytest.fixture(scope="module")
def emulated() -> Iterator[Loopback]:
    """A tracker with one emulated server."""
    told = os.environ.get("TUNEDB_AARCH64_PYTHON")
    if not told:
        pytest.skip("TUNEDB_AARCH64_PYTHON names no folder with Python and TVM for AArch64")
    folder = Path(told).absolute()
    with loopback() as at:
        python = [str(folder / "root/usr/bin/python3.11"), "-c", _SERVER, str(free_port()), str(at.address.port)]
        variables = ["-E", f"PYTHONPATH={folder / 'site'}", "-E", "TVM_BIND_THREADS=0"]
        server = subprocess.Popen(
            ["qemu-aarch64-static", "-L", str(folder / "root"), *variables, *python],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_for(lambda: at.tracker.servers(["a64"]) or server.poll() is not None, 1800)
            yield at
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def test_programs_run_and_are_compared_and_the_machine_is_said_to_be_emulated(
    emulated: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    from search.measure.device import Comparison
    from search.measure.programs import program_of
    from search.targets import parse_target

    target: Any = parse_target(AARCH64)
    with fleet(emulated, target, ("a64",), run_timeout_secs=120.0) as device:
        device.check()
        assert device.hardware.name.startswith("aarch64, emulated on ")
        assert "its times say nothing of any machine" in caplog.text
        (number,) = handed_over(device, modules.matmul(16))
        assert [one.outcome for one in device.run([number])] == [Outcome.OK]
        program = program_of(modules.matmul(16))
        found: Comparison = device.compare(program, program)
        assert found.deviation == 0 and found.magnitude > 0
