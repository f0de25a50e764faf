"""`tunedb compile`: a network to a library that runs without a compiler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.options import BuildTimeout, CrossCompiler, ExampleInput, Layout, Near, RunTimeout, Seed, Shapes, TvmRuntime
from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from search.networks.benchmark import Benchmark
    from search.networks.compiling import Compiled
    from search.networks.verification import Settled

SUMMARY = "Compile a network with the store's best schedules"
EXAMPLES = (
    "tunedb compile resnet18.onnx -o resnet18.so",
    "tunedb compile resnet18.onnx -o resnet18.so --no-predict",
    "tunedb compile detector.onnx -o detector.so --shape images=1x3x640x640",
    "tunedb compile detector.onnx --shape images=1x3x640x640 --shape images=8x3x640x640",
    "tunedb compile resnet18.onnx --target raspberry-pi/4b-aarch64 --tvm-runtime wheels/",
)


@verb
def command(
    run: Session,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="An ONNX file, a .pt2 file of PyTorch, or path.py:name of a PyTorch or Relax module."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The library to be written.  [default: the model's name, with .so]"
        ),
    ] = None,
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
    example_input: ExampleInput = None,
    layout: Layout = None,
    predict: Annotated[
        bool,
        typer.Option(
            "--predict/--no-predict", help="Give tasks that were never measured the schedule that is predicted."
        ),
    ] = True,
    near: Near = False,
    benchmark: Annotated[
        bool,
        typer.Option(
            "--benchmark",
            help="Then run it beside ONNX Runtime, OpenVINO and Inductor, where installed, and time its programs.",
        ),
    ] = False,
    seed: Seed = 0,
    run_timeout: RunTimeout = None,
    build_timeout: BuildTimeout = None,
    cross_compiler: CrossCompiler = None,
    tvm_runtime: TvmRuntime = None,
) -> None:
    """Compile a network to a shared library: the store's best schedule for each of its tasks, and the predicted one for
    those never measured. Every schedule is run against the untuned program before it is used, and the whole library
    against ONNX Runtime where that is installed.
    """
    from search.measure import zygote

    zygote.prepare()  # a store has threads, after which it would be too late
    with run.open_store(create=True) as store:
        from cli.labels import target_label
        from cli.output import Answer
        from cli.threads import run_on
        from search.measure.cross.architecture import is_foreign
        from search.networks.arrays import read_arrays
        from search.networks.building import check_folder
        from search.networks.compiling import CompileOptions, compile_network
        from search.networks.importing import import_network
        from search.networks.importing.shapes import parse_shapes
        from search.networks.lowering import Layout as Chosen
        from search.networks.machines import machine_of
        from search.targets import local_target, parse_target
        from tunedb.errors import UsageError

        chosen = local_target() if target is None else parse_target(target)
        if benchmark and is_foreign(chosen):
            raise UsageError("--benchmark measures, and what is compiled for another architecture does not run here")
        if not is_foreign(chosen):
            run_on(run, chosen.num_cores or 1)
        example = None if example_input is None else read_arrays(example_input)
        shapes = parse_shapes(shape or [])
        networks = {label: import_network(model, its, example) for label, its in shapes.items()}
        run.progress.note(f"compiling {model} for {target_label(chosen)}")
        for label, network in networks.items():  # before a device is started
            check_folder(_path(output, network.name, label))
        answers = []
        with machine_of(
            chosen,
            cross_compiler=cross_compiler,
            tvm_runtime=tvm_runtime,
            run_timeout_secs=run_timeout,
            build_timeout_secs=build_timeout,
        ) as machine:
            if machine.device is None and benchmark:
                raise UsageError("--benchmark runs the library, and this machine has no device for the target")
            wanted = None if layout is None else Chosen(layout.value)
            options = CompileOptions(wanted, predict, seed, machine.linker, near)
            for label, network in networks.items():
                path = _path(output, network.name, label)
                done = compile_network(
                    network,
                    path,
                    store=store,
                    target=chosen,
                    device=machine.device,
                    load=machine.load,
                    options=options,
                    on_step=lambda step, number, of, what: run.progress.step(number, of, f"{step}  {what}"),
                )
                speed = None
                if benchmark and machine.device is not None:
                    from search.networks.benchmark import benchmark as measured

                    run.progress.step(0, None, "benchmark")
                    speed = measured(path, network, machine.device)
                answers.append(answer(done, speed))
        if "" in networks:
            run.show(answers[0])
        else:  # one after another
            text = [line for one in answers for line in ("", *one.text)]
            run.show(Answer({"libraries": [one.document for one in answers]}, text[1:]))


def _path(output: Path | None, name: str, label: str) -> Path:
    """Where the library of one shape goes.

    Raises:
        UsageError: Its name does not end as a library's must.
    """
    from tunedb.errors import UsageError

    path = Path(f"{name}.so") if output is None else output
    if path.suffix != ".so":
        raise UsageError(f"{path}: the library's name must end in .so")
    return path.with_stem(f"{path.stem}-{label}") if label else path


def _is_told(settled: Settled) -> bool:
    """Whether a program's note says what is not said of the whole library anyway."""
    from search.networks.unrun import UNRUN

    return bool(settled.note) and not settled.earlier and settled.note != UNRUN


def answer(done: Compiled, speed: Benchmark | None = None) -> Answer:
    """What the library is made of."""
    from cli.labels import short
    from cli.output import Answer, Table
    from cli.speed import tables
    from search.networks.documents import compiled
    from tunedb.units import duration, elapsed, size

    rows = []
    for one in done.programs:
        found = one.comparison
        rows.append(
            [
                one.workload.name,
                f"{one.task.weight:g}",
                one.origin.value,
                short(one.record_id) if one.record_id else "-",
                "-" if found is None else duration(found.untuned_secs),
                "-" if found is None else duration(found.secs),
                "-" if found is None else f"{found.deviation:.0e}",
                "-" if not one.is_verified else one.earlier or "now",
            ]
        )
    headers = ["task", "calls", "schedule", "record", "untuned", "now", "deviation", "verified"]
    table = Table(headers, rows, right=frozenset({"calls", "untuned", "now", "deviation"}))
    whole = done.manifest.verification
    text: list[str | Table] = [
        f"{done.path}  {size(done.path.stat().st_size)}, of that {size(done.manifest.weight_bytes)} weights; "
        f"layout {done.manifest.layout}{_because(done.layout_reason)}, {elapsed(sum(done.secs.values()))}",
        *(f"{one.workload.name}: {one.note}" for one in done.programs if _is_told(one)),
        *(
            f"{one.workload.name}: the schedule is of {one.measured_for}, which stands in"
            for one in done.programs
            if one.measured_for
        ),
        *(f"{one.workload.name}: refused {why}" for one in done.programs for why in one.refused),
        "",
        table,
        "",
    ]
    if any(one.origin.value == "predicted" for one in done.programs):
        text.append(f"schedules are predicted; cost model: {done.prior}")
    if whole is not None:
        verdict = (
            f"not verified: {whole.note.removeprefix('not verified: ')}"
            if whole.agrees is None
            else f"computes what {whole.reference} does{_emulated(whole.emulator)}: deviation {whole.deviation:.0e} of "
            f"{whole.tolerance:g} allowed"
        )
        text.append(verdict)
    if whole is None or whole.agrees is not None or not whole.note.startswith("it cannot be run here"):
        text.append(f"run it with: tunedb run {done.path} --input x.npz --output y.npz")
    if speed is not None:
        text += tables(speed)
    return Answer(compiled(done, speed), text)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _emulated(emulator: str) -> str:
    return f" under {emulator}" if emulator else ""
