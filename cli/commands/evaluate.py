"""`tunedb evaluate`: how good cost models are on what they have not seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import ExitCode
from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cli.output import Answer
    from costmodels.dataset import Pool
    from costmodels.evaluation.gate import Fall
    from costmodels.evaluation.splits import Figure
    from costmodels.features import Family
    from costmodels.model import CostModel
    from tunedb.records import Target

SUMMARY = "Say how good cost models are on what they have not seen"
EXAMPLES = (
    "tunedb evaluate --target znver5",
    "tunedb evaluate --split leave-one-workload-out --gate baseline.json",
)


def command(
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="T", help="Test on this target only: id prefix, arch or JSON.  [default: all]"
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="S",
            help="leave-one-workload-out, leave-operator-family-out, leave-target-out; 8-shot, 32-shot, 128-shot: "
            "leave-target-out, but for so many trials. May be repeated.  [default: the first three]",
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="M", help="Only these, by name.  [default: all]")
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option("--gate", metavar="FILE", help="Fail if the default model is worse than this baseline."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the file of --gate instead of comparing with it.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots.")
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled/--own", help="Learn from other targets' trials too, or not."),
    ] = True,
    shipped: Annotated[
        bool, typer.Option("--shipped/--no-shipped", help="Learn from the trials that ship with tunedb too.")
    ] = True,
    compiling: Annotated[
        bool,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the trials to be ranked, for models that are told of machine code, or rank by loops alone "
            "what was never compiled.",
        ),
    ] = True,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=2, help="At most so many trials of a workload, from best to worst."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Seed of all randomness.")] = 0,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fit models on some of the store's workloads and targets, and judge how they rank the candidates of others."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from costmodels.dataset import not_among
        from costmodels.evaluation.gate import falls, read_baseline, write_baseline
        from costmodels.evaluation.splits import SPLITS, Evaluation, evaluate, learning_curve
        from costmodels.features import FAMILIES
        from costmodels.models import DEFAULT, KINDS, STOCK, models, stock_model
        from costmodels.pools import read_pools
        from costmodels.shipped import shipped_pools
        from tunedb.errors import NotFoundError, UsageError

        cores = workers or len(os.sched_getaffinity(0))
        known = models(cores)
        unknown = [name for name in model or [] if name not in (*known, STOCK)]
        if unknown:
            raise UsageError(f"no model {unknown[0]!r}: there are {', '.join((*known, STOCK))}")
        if update_baseline and gate is None:
            raise UsageError("--update-baseline needs --gate FILE, the file to write")
        baseline = read_baseline(gate) if gate is not None and not update_baseline else None
        chosen = None if target is None else opened.resolve_target(target)
        targets = [row for row in opened.targets() if chosen is None or row.kind == chosen.kind]

        def stored_pools(family: Family, *, compiling: bool = False) -> list[Pool]:
            def tell(done: int, total: int) -> None:
                run.progress.step(done, total, "features")

            readings = [
                read_pools(
                    opened,
                    row,
                    limit=limit,
                    family=family,
                    compiling=compiling and (chosen is None or row == chosen),
                    workers=cores,
                    on_progress=tell,
                )
                for row in targets
            ]
            return [pool for reading in readings for pool in reading.pools]

        chosen_models = {name: make for name, make in known.items() if model is None or name in model}
        with_stock = model is None or STOCK in model
        reading_code = compiling and any(KINDS[name].reads_code for name in chosen_models)
        pools = stored_pools(FAMILIES["loop_nest"], compiling=reading_code) if chosen_models else []
        stock_pools = stored_pools(FAMILIES["per_store"]) if with_stock else []  # it has features of its own
        of_store = pools or stock_pools
        to_test = {pool.target_id for pool in of_store} if chosen is None else {chosen.target_id}
        if not any(pool.target_id in to_test for pool in of_store):
            raise NotFoundError("the store has no good trials whose features can be had")
        if shipped and chosen_models:
            kinds = sorted({row.kind for row in targets})
            pools += not_among([pool for kind in kinds for pool in shipped_pools(kind)], pools)

        def judge(pools: Sequence[Pool], makers: Mapping[str, Callable[[], CostModel]]) -> Evaluation:
            return evaluate(
                pools,
                makers,
                tuple(split or SPLITS),
                target_ids=sorted(to_test),
                pooled=pooled,
                seed=seed,
                on_progress=lambda done, total, what: run.progress.step(done, total, f"fits  {what}"),
            )

        evaluation = judge(pools, chosen_models)
        if with_stock:
            stock = judge(stock_pools, {STOCK: lambda: stock_model(cores)})
            evaluation = Evaluation(evaluation.figures + stock.figures, evaluation.rankings + stock.rankings)
        figures = evaluation.figures
        if report is not None:
            from costmodels.evaluation.report import write_report

            shown = DEFAULT if DEFAULT in chosen_models else next(iter(chosen_models), STOCK)
            curve = []
            if chosen_models:
                curve = learning_curve(
                    pools,
                    chosen_models[shown],
                    sorted(to_test),
                    seed=seed,
                    on_progress=lambda done, total, what: run.progress.step(done, total, f"fits  {what}"),
                )
            write_report(report, evaluation, curve, default=shown, heading=f"tunedb evaluate, {opened.url}")
            run.progress.note(f"{report} written")
        if update_baseline and gate is not None:
            write_baseline(gate, figures, DEFAULT)
        fallen = [] if baseline is None else falls(baseline, figures)
        run.show(answer(figures, targets, DEFAULT, fallen))
        if fallen:
            run.exit_code = ExitCode.FAILED


def answer(figures: Sequence[Figure], targets: Sequence[Target], default: str, fallen: Sequence[Fall]) -> Answer:
    """A table of means a split, and every figure in the JSON form."""
    from cli.labels import target_label
    from cli.output import Answer, Table

    labels = {row.target_id: target_label(row) for row in targets}
    document: dict[str, Any] = {
        "model": default,
        "results": [
            {
                "split": row.split,
                "model": row.model,
                "target": labels[row.target_id],
                "target_id": row.target_id,
                "metric": row.metric,
                "workload": row.workload_id,
                "name": row.name or None,
                "value": row.value,
                "low": row.low,
                "high": row.high,
            }
            for row in figures
        ],
        "falls": [str(fall) for fall in fallen],
    }
    text: list[str | Table] = []
    metrics = list(dict.fromkeys(row.metric for row in figures))
    for split in dict.fromkeys(row.split for row in figures):
        for target_id in dict.fromkeys(row.target_id for row in figures if row.split == split):
            of_both = [row for row in figures if (row.split, row.target_id) == (split, target_id)]
            of_split = [row for row in of_both if row.workload_id is None]
            rows = []
            for name in dict.fromkeys(row.model for row in of_split):
                means = {row.metric: row for row in of_split if row.model == name}
                rows.append([name, *(_figure(means.get(metric)) for metric in metrics)])
            number = len({row.workload_id for row in of_both}) - 1
            text += [f"{split}, {labels[target_id]}, {number} workloads", Table(["model", *metrics], rows), ""]
    text.append("means over workloads, with their 90% bootstrap intervals")
    text += [f"worse than the baseline: {fall}" for fall in fallen]
    return Answer(document, text)


def _figure(row: Figure | None) -> str:
    return "-" if row is None else f"{row.value:.3f} ({row.low:.2f}-{row.high:.2f})"
