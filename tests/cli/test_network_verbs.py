"""compile, run and tune of a network, as real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks.graph import Graph

pytestmark = pytest.mark.tvm

TUNEDB = Path(sys.executable).with_name("tunedb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small network lies, of which one product is much the heaviest."""
    made = tmp_path_factory.mktemp("network")
    g = Graph("small", 0)
    x = g.node("Relu", g.dense(g.input("x", ("batch", 64)), 64, 256))
    onnx.save(g.model(g.dense(x, 256, 3)), str(made / "small.onnx"))
    return made


def tunedb(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [TUNEDB, *map(str, arguments), "--store", folder / "store"]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=folder)


@pytest.fixture(scope="module")
def compiled(folder: Path) -> dict[str, Any]:
    """What `compile` says of it."""
    done = tunedb(folder, "compile", "small.onnx", "--shape", "x=16x64", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_compile_prints_the_documented_keys_and_nothing_else(compiled: dict[str, Any]) -> None:
    assert compiled["path"] == "small.so"
    assert compiled["inputs"] == [{"name": "x", "dtype": "float32", "shape": [16, 64]}]
    assert compiled["verification"]["agrees"]
    assert compiled["verification"]["deviation"] < 1e-5
    assert {"lower", "plan", "verify", "build", "check"} == compiled["step_secs"].keys()
    for program in compiled["programs"]:
        assert program["origin"] in ("predicted", "untuned")
        assert program["calls"] == 1


def test_a_library_runs_and_its_outputs_are_right(folder: Path, compiled: dict[str, Any]) -> None:
    from onnx.reference import ReferenceEvaluator

    given = {"x": np.random.default_rng(0).normal(size=(16, 64)).astype(np.float32)}
    np.savez(folder / "x.npz", **given)
    done = tunedb(folder, "run", compiled["path"], "--input", "x.npz", "--output", "y.npz", "--repeat", 3, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["secs"]) == 3
    (name,) = [output["name"] for output in found["outputs"]]
    with np.load(folder / "y.npz") as outputs:
        right = ReferenceEvaluator(str(folder / "small.onnx")).run(None, given)[0]
        np.testing.assert_allclose(outputs[name], right, rtol=1e-4, atol=1e-5)


def test_run_needs_neither_a_compiler_nor_tvms_python_package(folder: Path, compiled: dict[str, Any]) -> None:
    program = (
        "import sys; from pathlib import Path; from search.networks.runtime import Library; "
        "from search.networks.arrays import random_arrays; "
        f"library = Library(Path({compiled['path']!r})); library.run(random_arrays(library.manifest.inputs)); "
        "assert 'tvm' not in sys.modules; "
        "assert 'libtvm_compiler' not in Path('/proc/self/maps').read_text()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (
            ("compile", "small.onnx"),
            2,
            "the shape of its input x is dynamic (batchx64): fix it, such as --shape x=1x64",
        ),
        (("compile", "small.onnx", "--shape", "x=1x64", "-o", "small.dll"), 2, "must end in .so"),
        (("compile", "small.onnx", "--shape", "x=1x64", "-o", "absent/small.so"), 1, "cannot be written"),
        (("compile", "absent.onnx"), 3, "no such file"),
        (("tune", "small.onnx"), 2, "the shape of its input x is dynamic"),
        (("tune", "small.onnx", "--shape", "x=1x64", "--only", "conv*"), 2, "no task is called conv*; they are fused_"),
        (("tune", "small.onnx", "--until-gain", "much"), 2, "--until-gain is a percentage such as 1%, not 'much'"),
        (("tune", "small.onnx", "--minutes", "1", "--time-limit", "9"), 2, "give --minutes or --time-limit, not both"),
        (("run", "small.onnx", "--random"), 4, "not a library that tunedb compiled"),
        (("run", "small.so"), 2, "say what it is to be run on"),
        (("run", "absent.so", "--random"), 3, "no such file"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path, compiled: dict[str, Any], arguments: tuple[object, ...], status: int, reason: str
) -> None:
    del compiled
    done = tunedb(folder, *arguments)
    assert done.returncode == status, done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_tuned_is_compiled(folder: Path) -> None:
    done = tunedb(folder, "tune", "small.onnx", "--shape", "x=16x64", "--trials", 6, "--json")
    assert done.returncode == 0, done.stderr
    tuned = {task["workload_hash"]: task for task in json.loads(done.stdout)["tasks"]}
    done = tunedb(folder, "compile", "small.onnx", "--shape", "x=16x64", "-o", "tuned.so", "--json")
    assert done.returncode == 0, done.stderr
    records = [program for program in json.loads(done.stdout)["programs"] if program["origin"] == "record"]
    assert records
    for program in records:
        assert tuned[program["workload_hash"]]["trials"] > 0
        assert program["record"]
        assert program["verified"]
        shown = json.loads(tunedb(folder, "show", program["record"], "--json").stdout)
        assert (shown["verified"], shown["verdict"]["agrees"]) == (True, True)
        assert "verified yes: deviates" in tunedb(folder, "show", program["record"]).stdout
    done = tunedb(folder, "compile", "small.onnx", "--shape", "x=16x64", "-o", "again.so", "--json")
    again = {program["record"]: program for program in json.loads(done.stdout)["programs"]}
    for program in records:
        assert again[program["record"]]["earlier"]
        assert again[program["record"]]["note"].startswith("verified earlier, on 2")
        assert again[program["record"]]["trace"] == program["trace"]


def test_a_run_ends_when_little_is_to_be_gained(folder: Path) -> None:
    arguments = ("tune", "small.onnx", "--shape", "x=8x64", "--until-gain", "90%", "--only", "*relu*")
    done = tunedb(folder, *arguments, "--skip", "nothing*")
    assert done.returncode == 2
    assert "no task is called nothing*" in done.stderr
    done = tunedb(folder, *arguments, "--trials", 8, "--minutes", 2, "--no-check", "--json")
    assert done.returncode == 0, done.stderr
    assert "trial 1/8 " in done.stderr
    again = tunedb(folder, "tune", "small.onnx", "--shape", "x=8x64", "--until-gain", "99%", "--no-check", "--json")
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout)
    assert found["trials"] <= 4, "what is known leaves less to gain"
    assert max(task["before_secs"] or 0 for task in found["tasks"]) > 0


def test_several_shapes_are_several_libraries_and_are_tuned_together(folder: Path) -> None:
    shapes = ["--shape", "x=2x64", "--shape", "x=16x64"]
    done = tunedb(folder, "tune", "small.onnx", *shapes, "--trials", 4, "--no-check", "--json")
    assert done.returncode == 0, done.stderr
    names = [task["name"] for task in json.loads(done.stdout)["tasks"]]
    assert len(names) == len(set(names)) == 4, "two products in each shape"
    done = tunedb(folder, "compile", "small.onnx", *shapes, "-o", "both.so", "--no-predict", "--json")
    assert done.returncode == 0, done.stderr
    libraries = json.loads(done.stdout)["libraries"]
    assert [library["path"] for library in libraries] == ["both-2x64.so", "both-16x64.so"]
    assert [library["inputs"][0]["shape"] for library in libraries] == [[2, 64], [16, 64]]
