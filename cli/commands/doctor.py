"""`tunedb doctor`: can this installation tune, and is the store sound? Says what to do where the answer is no."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session

SUMMARY = "Check the installation and the store"
EXAMPLES = ("tunedb doctor",)

_PACKAGES = ("tunedb", "apache-tvm", "apache-tvm-ffi", "deltalake", "duckdb", "pyarrow", "lightgbm", "xgboost", "numpy")
_SAFE_FFI = (0, 1, 14)  # 0.1.15 and later crash in TVM 0.27's commit_workload


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.OK  # what the command ends with when it is not ok


def command(store: StoreUrl = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Check what is installed, whether a candidate can be compiled and measured, and whether the store is sound."""
    with session(store, as_json, debug) as run:
        checks = [check_packages(), check_ffi(), check_linker()]
        if all(check.ok for check in checks):
            run.progress.note("compiling and measuring two small kernels ...")
            checks.append(check_measuring())
        run.progress.note("looking through the store ...")
        checks.append(check_store(run))
        run.show(answer(checks))
        failed = [check.exit_code for check in checks if not check.ok]
        run.exit_code = max(failed, default=ExitCode.OK)


def check_packages() -> Check:
    """Whether what tunedb needs is there, and in which versions."""
    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        advice = "install tunedb with its dependencies: pip install tunedb"
        return Check("packages", False, f"missing: {', '.join(missing)}", advice, ExitCode.CANNOT_MEASURE)
    found = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return Check("packages", True, f"Python {platform.python_version()}, {found}")


def check_ffi() -> Check:
    """Whether apache-tvm-ffi is one that does not crash."""
    found = _version("apache-tvm-ffi") or "none"
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
    if numbers == _SAFE_FFI:
        return Check("apache-tvm-ffi", True, f"{found} is in the range that works with TVM 0.27")
    advice = 'TVM 0.27 crashes with it: pip install "apache-tvm-ffi>=0.1.14.post0,<0.1.15"'
    return Check("apache-tvm-ffi", False, found, advice, ExitCode.CANNOT_MEASURE)


def check_linker() -> Check:
    """Whether there is a g++; TVM links each candidate with it."""
    path = shutil.which("g++")
    if path:
        return Check("g++", True, path)
    return Check("g++", False, "not found", "sudo apt-get install g++", ExitCode.CANNOT_MEASURE)


def check_measuring() -> Check:
    """Compiles and measures small kernels for this CPU."""
    from cli.labels import target_label
    from cli.units import duration
    from search.measure.local import PATIENT, LocalCpu
    from search.measure.reference_kernels import check_measuring as measure
    from search.networks.targets import local_target
    from tunedb.machine.kernels import ARITHMETIC

    advice = "see that g++ works, and that the temporary folder (TMPDIR) has space and lets programs run"
    try:
        target = local_target()
    except Exception as error:  # whatever TVM or LLVM says about this CPU is the answer
        return Check("measuring", False, f"TVM: {error}", "install tunedb again", ExitCode.CANNOT_MEASURE)
    with LocalCpu(target, PATIENT) as device:
        report = measure(device)
    if report.ok and report.run_secs:
        speed = f"{ARITHMETIC.work / report.run_secs / 1e9:.0f} GFLOP/s a core"
        took = f"compiled in {duration(report.compile_secs)}, ran in {duration(report.run_secs)} ({speed})"
        return Check("measuring", True, f"{target_label(target)}: {took}")
    detail = f"{target_label(target)}: {report.error}"
    return Check("measuring", False, detail, advice, ExitCode.CANNOT_MEASURE)


def check_store(run: Session) -> Check:
    """Whether the store opens and holds together."""
    from cli.units import count
    from tunedb.errors import NotFoundError, TunedbError

    try:
        with run.open_store() as store:
            problems = store.problems()
            trials = store.stats().num_trials
    except NotFoundError:
        return Check("store", True, f"none yet at {run.store_url}; ingest and tune make it")
    except TunedbError as error:
        return Check("store", False, str(error), "choose another with --store", ExitCode.FAILED)
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        return Check(
            "store", False, "; ".join(problems[:3]) + more, "ingest its sources into a new one", ExitCode.FAILED
        )
    return Check("store", True, f"{run.store_url}: {count(trials, 'trial')}")


def answer(checks: Sequence[Check]) -> Answer:
    """A check list."""
    from cli.output import Answer

    failed = [check for check in checks if not check.ok]
    document = {
        "ok": not failed,
        "versions": {name: _version(name) for name in _PACKAGES},
        "checks": [{key: value for key, value in asdict(check).items() if key != "exit_code"} for check in checks],
    }
    lines = []
    for check in checks:
        lines.append(f"{'ok    ' if check.ok else 'FAILED'}  {check.name:<14}  {check.detail}")
        if check.advice:
            lines.append(f"{'':<24}what to do: {check.advice}")
    lines.append("all well" if not failed else f"{len(failed)} of {len(checks)} checks failed")
    return Answer(document, lines)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
