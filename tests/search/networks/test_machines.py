"""Networks compiled for other architectures: linked here, and verified by an emulator where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.measure.cross.runtimes import is_for
from search.networks.api import compile as compiled
from search.networks.arrays import random_arrays
from search.networks.compiling import CompileOptions
from search.networks.emulated import EmulatedLibrary
from search.networks.lowering import Layout
from search.networks.manifest import read_manifest
from search.networks.network import Network
from search.targets import parse_target
from tests.search.networks.foreign import AARCH64, RISCV64, needs, wheels_for_aarch64
from tests.search.networks.reference import evaluated
from tunedb.errors import BadInputError, MeasurementError

pytestmark = pytest.mark.tvm

PLAIN = CompileOptions(layout=Layout.CHANNELS_FIRST, predicts=False)


@needs("riscv64-linux-gnu-g++")
def test_a_library_for_riscv_is_linked_and_says_that_nothing_ran_it(
    images: Network, empty_store: Any, tmp_path: Path
) -> None:
    path = tmp_path / "images.so"
    target = parse_target(RISCV64)
    made = compiled(images, path, store=empty_store, target=target, options=PLAIN)
    assert is_for(path.read_bytes(), "riscv64")
    manifest = read_manifest(path)
    assert manifest == made.manifest
    assert manifest.target == target.text
    assert manifest.verification is not None
    assert manifest.verification.agrees is None
    assert "it cannot be run here" in manifest.verification.note
    assert not any(program.verified for program in manifest.programs)


def test_without_a_compiler_that_links_nothing_is_compiled(
    images: Network, empty_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MeasurementError, match="nothing here links for aarch64: install g\\+\\+-aarch64-linux-gnu"):
        compiled(images, tmp_path / "images.so", store=empty_store, target=parse_target(AARCH64), options=PLAIN)


@pytest.mark.slow
@needs("aarch64-linux-gnu-g++", "qemu-aarch64-static")
def test_a_library_for_aarch64_computes_under_qemu_what_the_network_does(
    images: Network, empty_store: Any, tmp_path: Path
) -> None:
    from search.measure.cross.emulator import Emulator

    wheels = wheels_for_aarch64(tmp_path)
    path = tmp_path / "images.so"
    made = compiled(images, path, store=empty_store, target=parse_target(AARCH64), tvm_runtime=wheels)
    verification = made.manifest.verification
    assert verification is not None
    assert verification.agrees
    assert verification.emulator.startswith("qemu-aarch64")
    assert "no model has learned from aarch64" in made.prior
    assert {program.origin for program in made.manifest.programs} <= {"predicted", "untuned"}
    assert any(program.verified for program in made.manifest.programs)
    assert is_for(path.read_bytes(), "aarch64")
    given = random_arrays(images.inputs, seed=3)
    with Emulator("aarch64", wheels, "aarch64-linux-gnu-g++") as emulator:
        library = EmulatedLibrary(path, emulator)
        (found,) = library.run(given).values()
        np.testing.assert_allclose(found, evaluated(images, given)[0], rtol=1e-4, atol=1e-4)
        again, secs = library.run_and_time(given, 3)
        np.testing.assert_array_equal(again["gemm_8"] if "gemm_8" in again else next(iter(again.values())), found)
        assert len(secs) == 3
        broken = tmp_path / "broken.so"
        broken.write_bytes(bytes(64) + path.read_bytes()[64:])
        with pytest.raises(BadInputError, match=r"broken\.so"):
            EmulatedLibrary(broken, emulator).run(given)
