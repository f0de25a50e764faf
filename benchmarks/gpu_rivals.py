"""Compiled networks on a GPU in turn with other runtimes: `python -m benchmarks.gpu_rivals --work FOLDER NAME...`.

It has never run on a GPU. The rivals are those that are installed: TensorRT and CUDA's libraries as ONNX Runtime has
them (onnxruntime-gpu), and PyTorch's Inductor, which tunes its own kernels first. Inputs and outputs stay on the GPU.
FOLDER has NAME.so, as `tunedb compile` wrote it, and models/NAME.onnx; rivals.json is written there. What does not
run a network is named, with its reason, and stands in the file without a time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.torch_graph import inductor
from search.networks.arrays import random_arrays
from search.networks.runtime import Library
from search.networks.turns import in_turn
from tunedb.errors import last_line

Run = Callable[[], Any]
Arrays = Mapping[str, np.ndarray[Any, Any]]

OURS = "tunedb"
PROVIDERS = {"TensorRT": "TensorrtExecutionProvider", "CUDA's libraries": "CUDAExecutionProvider"}
_ROUNDS = 30


def rivals(path: Path, inputs: Arrays, device: str = "cuda") -> tuple[dict[str, Run], dict[str, str]]:
    """What else runs a network on a device.

    Args:
        path: The network's ONNX file.
        inputs: What it is run on.
        device: "cuda", or "cpu" for a try.

    Returns:
        A call for each runtime that is installed and takes the network, and why each of the others does not.
    """
    found: dict[str, Run] = {}
    refused: dict[str, str] = {}
    for name, prepare in _known(path, inputs, device):
        try:
            run = prepare()
            run()
        except Exception as error:  # of another runtime, of whatever kind
            refused[name] = last_line(error)
        else:
            found[name] = run
    return found, refused


def _known(path: Path, inputs: Arrays, device: str) -> Iterator[tuple[str, Callable[[], Run]]]:
    providers = PROVIDERS if device == "cuda" else {"CPU": "CPUExecutionProvider"}
    for name, provider in providers.items():
        yield f"{name}, ONNX Runtime", lambda provider=provider: _onnx_runtime(path, inputs, provider, device)
    yield "Inductor", lambda: _inductor(path, inputs, device)


def _onnx_runtime(path: Path, inputs: Arrays, provider: str, device: str) -> Run:
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"not installed: {provider} of onnxruntime-gpu")
    session = onnxruntime.InferenceSession(str(path), providers=[provider])
    if session.get_providers()[0] != provider:  # it goes on without one that cannot start
        raise RuntimeError(f"{provider} cannot start here")
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, device)

    def call() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call


def _inductor(path: Path, inputs: Arrays, device: str) -> Run:
    if importlib.util.find_spec("torch") is None:
        raise RuntimeError("not installed: torch")
    return inductor(onnx.load(path), inputs, device)


def compared(library: Path, path: Path, rounds: int = _ROUNDS, device: str = "cuda") -> dict[str, Any]:
    """A library's median time and that of each rival, all in turn.

    Args:
        library: What `tunedb compile` wrote.
        path: The ONNX file that it was compiled of.
        rounds: How often each runs.
        device: "cuda", or "cpu" for a try.
    """
    loaded = Library(library)
    inputs = random_arrays(loaded.manifest.inputs, seed=1)
    tensors = loaded.prepared(inputs)
    others, refused = rivals(path, inputs, device)
    secs = in_turn({OURS: lambda: loaded.call(tensors), **others}, rounds)
    verification = loaded.manifest.verification
    return {
        "verified": None if verification is None else verification.agrees,
        "secs": {name: statistics.median(times) for name, times in secs.items()},
        "ratio": {  # of our time over each one's: the median of rounds
            name: statistics.median(a / b for a, b in zip(secs[OURS], secs[name], strict=True)) for name in others
        },
        "refused": refused,
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    given = parser.parse_args()
    from search.measure.cuda_driver import devices

    versions = {name: _version(name) for name in ("onnxruntime-gpu", "tensorrt", "torch")}
    found: dict[str, Any] = {"device": devices()[0].name, "versions": versions, "networks": {}}
    for name in given.names:
        row = compared(given.work / f"{name}.so", given.work / "models" / f"{name}.onnx", given.rounds)
        found["networks"][name] = row
        told = ", ".join(f"{runtime} {1e3 * secs:.3f} ms" for runtime, secs in row["secs"].items())
        print(
            f"{name:16} {told}", *(f"{other}: {why}" for other, why in row["refused"].items()), sep="\n  ", flush=True
        )
        (given.work / "rivals.json").write_text(json.dumps(found, indent=1) + "\n")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
