"""Other runtimes that run the same network here, where they are installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Iterator
from typing import Any

from search.networks.arrays import Arrays
from search.networks.network import Network
from search.networks.reference import onnx_runtime
from tunedb.errors import last_line

_log = logging.getLogger(__name__)

Run = Callable[[], Any]


def rivals(network: Network, inputs: Arrays, num_threads: int) -> dict[str, Run]:
    """What else runs a network, by name and version.

    Args:
        network: The network.
        inputs: What it is run on.
        num_threads: On how many threads.

    Returns:
        A call for each runtime that is installed and takes the network.
    """
    found: dict[str, Run] = {}
    for name, prepare in _installed(network):
        try:
            run = prepare(network, inputs, num_threads)
            run()
        except Exception as error:  # of another runtime, of whatever kind
            _log.warning("%s does not run %s: %s", name, network.path, last_line(error))
            continue
        found[name] = run
    return found


def _installed(network: Network) -> Iterator[tuple[str, Callable[[Network, Arrays, int], Run]]]:
    if network.onnx is not None and importlib.util.find_spec("onnxruntime") is not None:
        yield f"ONNX Runtime {importlib.metadata.version('onnxruntime')}", _onnx_runtime
    if network.onnx is not None and importlib.util.find_spec("openvino") is not None:
        yield f"OpenVINO {importlib.metadata.version('openvino')}", _openvino
    if network.inductor is not None:
        yield f"Inductor {importlib.metadata.version('torch')}", _inductor


def _onnx_runtime(network: Network, inputs: Arrays, num_threads: int) -> Run:
    run = onnx_runtime(network, num_threads)
    return lambda: run(inputs)


def _openvino(network: Network, inputs: Arrays, num_threads: int) -> Run:
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": num_threads, "INFERENCE_PRECISION_HINT": "f32"})
    compiled = core.compile_model(core.read_model(network.onnx), "CPU")
    request = compiled.create_infer_request()
    ordered = [inputs[port.get_any_name()] for port in compiled.inputs]
    return lambda: request.infer(ordered)


def _inductor(network: Network, inputs: Arrays, num_threads: int) -> Run:
    import torch

    assert network.inductor is not None
    torch.set_num_threads(num_threads)
    return network.inductor(inputs)
