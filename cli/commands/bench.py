"""`tunedb bench`: whole networks, tuned by several strategies and run side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.exit_codes import ExitCode
from cli.options import Shapes
from cli.verb import verb
from tunedb.errors import UsageError

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from search.bench.results import Arm, Results

SUMMARY = "Compare strategies on whole networks"
EXAMPLES = (
    "tunedb bench resnet18.onnx --strategies bo,evolutionary --trials 200",
    "tunedb bench resnet18.onnx bert.onnx --strategies bo,evolutionary:8,es+model,random --trials 500 --seeds 0,1",
    "tunedb bench detector.onnx --shape images=1x3x640x640 --strategies bo@200,evolutionary:8@1000",
)


@verb
def command(
    run: Session,
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="ONNX or .pt2 files, or path.py:name, as `tunedb compile` takes them."),
    ],
    strategies: Annotated[
        str,
        typer.Option(
            "--strategies",
            metavar="S,...",
            help="bo; stock's evolutionary (evolutionary:8 with 8 trials an iteration, evolutionary@1000 with "
            "trials of its own) and random; es+model, which is evolutionary with our cost model. Ratios are to the "
            "first.",
        ),
    ] = "bo,evolutionary",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", metavar="N", min=1, help="Candidates that each arm measures, where no @ says another number."
        ),
    ] = 64,
    seeds: Annotated[str, typer.Option("--seeds", metavar="S,...", help="Each strategy runs once with each.")] = "0",
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="TVM target: JSON, tag, or as logs write it.  [default: this CPU]",
        ),
    ] = None,
    shape: Shapes = None,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Where bench.json, stores and libraries lie; it may be begun."),
    ] = Path("bench"),
) -> None:
    """Tune whole networks with several strategies, from empty stores, and run their libraries in turn.

    An arm is a network, a strategy and a seed. The libraries of bo have predicted schedules for what was never
    measured; those of all others have TVM's own there, as with stock. The same command goes on after an interruption.
    """
    from search.bench.bench import Plan, run_bench
    from search.bench.strategies import parse_seeds, parse_strategies
    from search.networks.importing.shapes import parse_shapes
    from search.targets import local_target, parse_target

    chosen, numbers = parse_strategies(strategies), parse_seeds(seeds)
    several = parse_shapes(shape or [])
    if len(several) > 1:
        raise UsageError("a bench compares a model in one shape: give each input one")
    plan = Plan(
        tuple(models),
        tuple(chosen),
        tuple(numbers),
        trials,
        local_target() if target is None else parse_target(target),
        shapes=next(iter(several.values())),
    )
    run.finishes_on_signal = True
    found = run_bench(plan, out, on_step=run.progress.step, stop=run.stop)
    run.show(answer(found, out))
    if any(arm.error for arm in found.arms):
        run.exit_code = ExitCode.FAILED


def answer(found: Results, folder: Path) -> Answer:
    """A row an arm, losses first; the JSON form is what `bench.json` holds."""
    import msgspec

    from cli.labels import hardware_label, target_label
    from cli.output import Answer
    from search.bench.bench import ranked
    from search.bench.results import FILE
    from tunedb.identity import canonical_target

    arms = ranked(found.arms)
    target = target_label(canonical_target(found.asked.target))
    text: list[str | Table] = [
        f"{found.asked.trials} trials an arm, where its name has no other number; "
        f"{target} on {hardware_label(found.machine)}",
        *(f"FAILED: {arm.network}, {arm.name}: {arm.error}" for arm in arms if arm.error),
        *(
            f"{arm.network}, {arm.name}: tuned in {arm.sittings} sittings; stock's search began anew in each"
            for arm in arms
            if arm.sittings > 1 and not arm.strategy.startswith("bo")
        ),
        "",
        _table(arms),
        "",
        *dict.fromkeys(
            f"{arm.network}: ratio is to {arm.against}, median of {found.rounds} rounds; slowest first"
            for arm in arms
            if arm.against
        ),
        "never measured: of bo what its cost model predicts, of all others TVM's own",
        *(["stopped: the same command goes on"] if found.interrupted else []),
        f"written to {folder / FILE}; to look at it: tunedb report {folder / FILE} -o report.html",
    ]
    return Answer(msgspec.to_builtins(found), text)


def _table(arms: list[Arm]) -> Table:
    from cli.output import Table
    from tunedb.units import duration, elapsed

    rows = [
        [
            arm.network,
            arm.strategy,
            str(arm.seed),
            str(arm.trials),
            str(arm.failed),
            elapsed(arm.tune_secs),
            *(str(arm.programs.get(origin, 0)) if arm.programs else "-" for origin in _ORIGINS),
            duration(arm.latency_secs),
            "-" if arm.ratio is None else f"{arm.ratio:.3f}",
        ]
        for arm in arms
    ]
    headers = ["network", "strategy", "seed", "trials", "failed", "tuned in", *_ORIGINS.values(), "latency", "ratio"]
    return Table(headers, rows, right=frozenset(headers[2:]))


_ORIGINS = {"record": "measured", "predicted": "predicted", "untuned": "TVM's own"}
