"""Whether this installation can tune, and whether its store is sound: all that `tunedb doctor` looks at."""

from __future__ import annotations

from collections.abc import Callable

from tunedb.machine.installation import Check, Part, check_ffi, check_linker, check_packages
from tunedb.maintenance.check import check_store


def run_checks(store_url: str, on_step: Callable[[str], None] | None = None) -> list[Check]:
    """Looks at the installation, measures where that is sound, and looks at the store.

    Args:
        store_url: the folder or URL of the store; there need not be one.
        on_step: is given what comes next, for people, before each step that takes a while.
    """
    tell = on_step or (lambda _: None)
    checks = [check_packages(), check_ffi(), check_linker()]
    if all(check.ok for check in checks):
        tell("compiling and measuring two small kernels ...")
        checks.append(check_measuring())
    tell("looking through the store ...")
    return [*checks, check_store(store_url)]


def check_measuring() -> Check:
    """Compiles and measures two small kernels for this CPU."""
    from search.measure.local import PATIENT, LocalCpu
    from search.measure.reference_kernels import check_measuring as measure
    from search.targets import local_target
    from tunedb.machine.kernels import ARITHMETIC
    from tunedb.program.targets import target_label
    from tunedb.units import duration

    try:
        target = local_target()
    except Exception as error:  # whatever TVM or LLVM says about this CPU is the answer
        return Check("measuring", Part.MACHINE, False, f"TVM: {error}", "install tunedb again")
    with LocalCpu(target, PATIENT) as device:
        report = measure(device)
    if report.ok and report.run_secs:
        speed = f"{ARITHMETIC.work / report.run_secs / 1e9:.0f} GFLOP/s a core"
        took = f"compiled in {duration(report.compile_secs)}, ran in {duration(report.run_secs)} ({speed})"
        return Check("measuring", Part.MACHINE, True, f"{target_label(target)}: {took}")
    advice = "see that g++ works, and that the temporary folder (TMPDIR) has space and lets programs run"
    return Check("measuring", Part.MACHINE, False, f"{target_label(target)}: {report.error}", advice)
