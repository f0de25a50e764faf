"""The deployment examples: a library runs from C++ and from Python with TVM's runtime alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from benchmarks.graph import Graph

pytestmark = pytest.mark.tvm

EXAMPLES = Path(__file__).parents[2] / "examples" / "deployment"
TUNEDB = Path(sys.executable).with_name("tunedb")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    g = Graph("small", 0)
    x = g.node("Relu", g.dense(g.input("x", (4, 32)), 32, 32))
    onnx.save(g.model(g.dense(x, 32, 3)), str(folder / "small.onnx"))
    arguments = [TUNEDB, "compile", "small.onnx", "--no-predict", "--store", folder / "store"]
    subprocess.run(arguments, check=True, cwd=folder, capture_output=True, timeout=240)
    return folder / "small.so"


def expected(library: Path) -> list[float]:
    """What the network makes of the examples' input."""
    x = (np.arange(4 * 32) % 7 / 7).astype(np.float32).reshape(4, 32)
    (found,) = ReferenceEvaluator(str(library.with_suffix(".onnx"))).run(None, {"x": x})
    return [float(value) for value in np.asarray(found).ravel()]


def test_from_cpp(library: Path, tmp_path: Path) -> None:
    program = tmp_path / "main"
    command = ["make", "-s", "-C", EXAMPLES, f"PYTHON={sys.executable}", f"OUT={program}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        [program, library.name, "4x32"], capture_output=True, text=True, cwd=library.parent, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [float(line) for line in done.stdout.splitlines()] == pytest.approx(expected(library), rel=1e-4, abs=1e-4)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libtvm_runtime" in linked
    assert "libtvm_compiler" not in linked


def test_from_python(library: Path) -> None:
    command = [sys.executable, EXAMPLES / "run.py", library.name, "4x32"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=library.parent, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [float(line) for line in done.stdout.splitlines()] == pytest.approx(expected(library), rel=1e-4, abs=1e-4)
