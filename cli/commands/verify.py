"""`tunedb verify`: can every table be read, do references lead somewhere, are contents and models what they were?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.store.contract import Store

SUMMARY = "Check the store: files, references, contents, models"
EXAMPLES = ("tunedb verify",)


@store_verb()
def command(run: Session, store: Store) -> None:
    """Read the whole store and name what is broken; exit status 1 if anything is."""
    from costmodels.registry.check import model_problems
    from tunedb.maintenance.verify import verify

    run.progress.note("reading the whole store ...")
    run.progress.step(0, None, "rows")
    tables = verify(store, lambda done, total: run.progress.step(done, total, "rows"))
    run.progress.step(0, None, "models")
    models = model_problems(store)
    run.show(answer(store.url, tables, models))
    if tables or models:
        run.exit_code = ExitCode.FAILED


def answer(store_url: str, tables: Sequence[str], models: Sequence[str]) -> Answer:
    """A line for each thing that is broken, in the tables and among the models."""
    from cli.output import Answer
    from tunedb.documents import reports

    problems = [*tables, *models]
    advice = ["`tunedb repair` moves broken files aside; the rest stays usable"] if tables else []
    advice += ["a broken model is passed over; take its folder away, or train another"] if models else []
    text = [f"broken: {problem}" for problem in problems] or [f"{store_url} is sound"]
    return Answer(reports.verified(store_url, problems), [*text, *advice])
