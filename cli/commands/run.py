"""`tunedb run`: a library that `tunedb compile` made, once."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import CrossCompiler, TvmRuntime
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Run a library that `tunedb compile` made"
EXAMPLES = (
    "tunedb run resnet18.so --input images.npz --output classes.npz",
    "tunedb run resnet18.so --random --repeat 20",
)


@verb
def command(
    run: Session,
    library: Annotated[Path, typer.Argument(metavar="LIBRARY", help="A library, such as model.so.")],
    given: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="An .npz file with an array for each input, by name.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The .npz file that the outputs are written to.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Make up inputs.")] = False,
    repeat: Annotated[
        int,
        typer.Option("--repeat", metavar="N", min=1, help="Time so many runs after the first."),
    ] = 1,
    tvm_runtime: TvmRuntime = None,
    cross_compiler: CrossCompiler = None,
) -> None:
    """Run a compiled library with TVM's runtime alone, and write what comes out. One of another architecture is
    emulated by QEMU.
    """
    from cli.output import Answer, Table
    from cli.threads import run_on
    from search.measure.cross.architecture import architecture_of, is_foreign, linker_for
    from search.measure.cross.emulator import find_emulator
    from search.networks.arrays import random_arrays, read_arrays, write_arrays
    from search.networks.emulated import EmulatedLibrary
    from search.networks.machines import target_of
    from search.networks.manifest import num_cores, read_manifest
    from search.networks.runtime import Library
    from tunedb.errors import UsageError
    from tunedb.units import duration

    if (given is None) == (not random):
        raise UsageError("say what it is to be run on: --input FILE, or --random")
    manifest = read_manifest(library)
    target, emulator = target_of(manifest), ""
    inputs = random_arrays(manifest.inputs) if given is None else read_arrays(given)
    if is_foreign(target):
        with ExitStack() as stack:
            found = find_emulator(architecture_of(target), tvm_runtime, linker_for(target, cross_compiler))
            if isinstance(found, str):
                raise UsageError(f"{library} was compiled for {architecture_of(target)}: {found}")
            stack.enter_context(found)
            outputs, secs = EmulatedLibrary(library, found).run_and_time(inputs, repeat)
            emulator = found.name
    else:
        run_on(run, num_cores(manifest))
        loaded = Library(library)
        outputs = loaded.run(inputs)
        secs = loaded.time(inputs, repeat)
    if output is not None:
        write_arrays(output, outputs)
    rows = [
        [name, "x".join(map(str, array.shape)) or "scalar", str(array.dtype), *_extremes(array)]
        for name, array in outputs.items()
    ]
    table = Table(["output", "shape", "dtype", "min", "mean", "max"], rows, right=frozenset({"min", "mean", "max"}))
    took = f"median of {repeat}: {duration(statistics.median(secs))}"
    told = f"{took} under {emulator}, which says nothing of the machine" if emulator else took
    text: list[str | Table] = [table, told]
    if output is not None:
        text.append(f"written to {output}")
    document = {
        "library": str(library),
        "network": manifest.network,
        "outputs": [
            {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)} for name, array in outputs.items()
        ],
        "secs": secs,
        "emulator": emulator or None,
        "output": None if output is None else str(output),
    }
    run.show(Answer(document, text))


def _extremes(array: Any) -> list[str]:
    if not array.size or array.dtype == bool:
        return ["-", "-", "-"]
    return [f"{float(value):.4g}" for value in (array.min(), array.mean(), array.max())]
