"""ONNX models in float16: weights, inputs and outputs of float32 become float16, and nothing is cast in between.

python -m benchmarks.half models/resnet18.onnx models/bert-tiny.onnx    # models/resnet18-half.onnx, ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that computes in float16 what another computes in float32.

    Args:
        model: It stays as it is.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.value_info[:]
    for weight in made.graph.initializer:
        _halve(weight)
    for node in made.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _halve(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _HALF
    for value in (*made.graph.input, *made.graph.output):
        if value.type.tensor_type.elem_type == _FLOAT:
            value.type.tensor_type.elem_type = _HALF
    return made


def _halve(tensor: TensorProto) -> None:
    if tensor.data_type == _FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))


def main() -> None:
    """The command: files, each of which gets another one beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    for path in parser.parse_args().models:
        made = path.with_name(f"{path.stem}-half.onnx")
        onnx.save(halved(onnx.load(path)), made)
        print(made)


if __name__ == "__main__":
    main()
