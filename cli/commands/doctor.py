"""`tunedb doctor`: can this installation tune, and is the store sound? Says what to do where the answer is no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.machine.installation import Check

SUMMARY = "Check the installation and the store"
EXAMPLES = ("tunedb doctor",)


@verb
def command(run: Session) -> None:
    """Check what is installed, whether a candidate can be compiled and measured, and whether the store is sound."""
    from search.checks import run_checks
    from tunedb.machine.installation import Part

    codes = {Part.MACHINE: ExitCode.CANNOT_MEASURE, Part.STORE: ExitCode.FAILED}
    checks = run_checks(run.store_url, on_step=run.progress.note)
    run.show(answer(checks))
    run.exit_code = max((codes[check.part] for check in checks if not check.ok), default=ExitCode.OK)


def answer(checks: Sequence[Check]) -> Answer:
    """A check list."""
    from cli.output import Answer
    from tunedb.documents import reports
    from tunedb.machine.installation import versions

    lines = []
    for check in checks:
        lines.append(f"{'ok    ' if check.ok else 'FAILED'}  {check.name:<14}  {check.detail}")
        if check.advice:
            lines.append(f"{'':<24}what to do: {check.advice}")
    failed = sum(not check.ok for check in checks)
    lines.append(f"{failed} of {len(checks)} checks failed" if failed else "all well")
    return Answer(reports.checks(checks, versions()), lines)
