"""`tunedb features`: computes what cost models are told of trials, once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cli.options import AsJson, Dask, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import Target

SUMMARY = "Compute the features that cost models learn from"
EXAMPLES = ("tunedb features", "tunedb features --target znver5 --family per_store --workers 4")


class Row(NamedTuple):
    """What was done for one target and one family."""

    target: Target
    family: str
    version: str
    num_trials: int
    num_cached: int
    num_computed: int
    causes: dict[str, int]  # trials without features, by cause
    secs: float
    workers: int

    @property
    def per_second(self) -> float | None:
        """Trials featurised in a second by one worker; None when nothing was to be done."""
        return self.num_computed / self.secs / self.workers if self.num_computed else None


def command(
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="Only this target: id prefix, arch or JSON.")
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="F",
            help="loop_nest, per_store, machine_code, trace or workload; may be repeated.  [default: loop_nest]",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    dask: Dask = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Replay trials in child processes and keep their features next to the store. It can be stopped and goes on where
    it was; `tunedb train` and `evaluate` compute what is missing by themselves.
    """
    with session(store, as_json, debug) as run, run.open_store() as opened, run.cluster(dask) as cluster:
        import time
        from collections import Counter

        from cli.labels import target_label
        from costmodels.features import FAMILIES
        from costmodels.pools import features_of
        from tunedb.errors import UsageError
        from tunedb.records import Outcome

        chosen = family or ["loop_nest"]
        for name in chosen:
            if name not in FAMILIES:
                raise UsageError(f"no features {name!r}: there are {', '.join(FAMILIES)}")
        only = None if target is None else opened.resolve_target(target)
        cores = workers or len(os.sched_getaffinity(0))
        done: list[Row] = []
        for row in [only] if only is not None else opened.targets():
            trials = list(opened.trials(target_id=row.target_id, outcome=Outcome.OK))
            for name in chosen:
                label = f"{target_label(row)}: {name}"
                started = time.perf_counter()
                rows, causes, num_cached = features_of(
                    opened,
                    row,
                    trials,
                    family=FAMILIES[name],
                    workers=cores,
                    cluster=cluster,
                    on_progress=lambda at, total, label=label: run.progress.step(at, total, label),  # type: ignore[misc]
                )
                secs = time.perf_counter() - started
                at_once = 1 if name == "trace" else cores
                version = FAMILIES[name].FEATURE_VERSION
                counted = dict(Counter(causes.values()).most_common())
                computed = len(rows) - num_cached
                done.append(Row(row, name, version, len(trials), num_cached, computed, counted, secs, at_once))
        run.show(answer(done))


def answer(done: Sequence[Row]) -> Answer:
    """One row a target and family."""
    from cli.labels import target_label
    from cli.output import Answer, Table

    documents = [
        {
            "target_id": row.target.target_id,
            "target": row.target.text,
            "family": row.family,
            "version": row.version,
            "trials": row.num_trials,
            "cached": row.num_cached,
            "computed": row.num_computed,
            "skipped": row.causes,
            "secs": row.secs,
            "trials_per_second_per_core": row.per_second,
        }
        for row in done
    ]
    rows = [
        [
            target_label(row.target),
            row.version,
            f"{row.num_trials:,}",
            f"{row.num_cached:,}",
            f"{row.num_computed:,}",
            f"{sum(row.causes.values()):,}",
            "-" if row.per_second is None else f"{row.per_second:,.0f}",
        ]
        for row in done
    ]
    headers = ["target", "features", "trials", "cached", "computed", "none", "trials/s a core"]
    notes = [
        f"{target_label(row.target)}: {number:,} trials have no {row.family} features: {cause}"
        for row in done
        for cause, number in row.causes.items()
    ]
    return Answer({"features": documents}, [Table(headers, rows, right=frozenset(headers[2:])), *notes])
