"""`python -m tests.faults [FUZZER ...]`: lets fuzzers try, and prints tries and finds.

`make fuzz` runs the full form of all of them, which takes minutes; `--short` runs what the tests run. The exit status
is 1 when something was found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.fuzzers import FUZZERS
from tests.faults.harness import document, run, table
from tests.faults.page import PAGE, with_figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("fuzzers", nargs="*", metavar="FUZZER", help=f"which: {', '.join(FUZZERS)} (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="what all tries follow from (default: 1)")
    parser.add_argument("--tries", type=int, help="tries of each fuzzer (default: each one's own number)")
    parser.add_argument("--secs", type=float, help="begin no try of a fuzzer after so many seconds")
    parser.add_argument("--short", action="store_true", help="the short form: seconds, as in the tests")
    parser.add_argument("--only", type=int, metavar="N", help="repeat try number N alone")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/reliability.md")
    given = parser.parse_args()
    if unknown := set(given.fuzzers) - set(FUZZERS):
        parser.error(f"there is no fuzzer {', '.join(sorted(unknown))}; there are {', '.join(FUZZERS)}")
    tallies = []
    for name in given.fuzzers or FUZZERS:
        fuzzer = FUZZERS[name]()
        tries = given.tries or (fuzzer.short if given.short else fuzzer.full)
        numbers = range(tries) if given.only is None else [given.only]
        sys.stderr.write(f"{name}: {fuzzer.summary}\n")
        tallies.append(run(fuzzer, seed=given.seed, numbers=numbers, secs=given.secs))
        if given.json:
            given.json.write_text(document(tallies), encoding="utf-8")
    if given.docs:
        when = f"{datetime.now(UTC):%Y-%m-%d}, {_commit()}"
        PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), tallies, when), encoding="utf-8")
    sys.stdout.write(table(tallies) + "\n")
    return 1 if any(tally.finds for tally in tallies) else 0


def _commit() -> str:
    """The commit that is attacked, as git names it."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PAGE.parent, capture_output=True, text=True)
    return done.stdout.strip() or "no commit"


if __name__ == "__main__":
    sys.exit(main())
