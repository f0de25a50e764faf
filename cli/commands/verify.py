"""`tunedb verify`: is every table readable, does every reference lead somewhere, do the contents have their hashes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer

SUMMARY = "Check the store: files, references, contents"
EXAMPLES = ("tunedb verify",)


def command(store: StoreUrl = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Read the whole store and name what is broken; exit status 1 if anything is."""
    with session(store, as_json, debug) as run, run.open_store() as opened:
        from tunedb.maintenance.verify import verify

        run.progress.note("reading the whole store ...")
        found = verify(opened)
        run.show(answer(opened.url, found))
        if found:
            run.exit_code = ExitCode.FAILED


def answer(store_url: str, problems: Sequence[str]) -> Answer:
    """A line for each thing that is broken."""
    from cli.output import Answer

    advice = ["`tunedb repair` moves broken files aside; the rest stays usable"] if problems else []
    text = [f"broken: {problem}" for problem in problems] or [f"{store_url} is sound"]
    return Answer({"store": store_url, "ok": not problems, "problems": list(problems)}, [*text, *advice])
