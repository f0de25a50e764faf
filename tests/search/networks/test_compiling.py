from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.networks.arrays import random_arrays
from search.networks.compiling import Compiled, CompileOptions, compile_network
from search.networks.manifest import read_manifest
from search.networks.network import Network
from search.networks.runtime import Library
from tests.search.networks.reference import evaluated
from tunedb.errors import BadInputError, MeasurementError, UsageError
from tunedb.records import Target

pytestmark = pytest.mark.tvm


def test_the_library_computes_what_the_network_does(library: Compiled, images: Network) -> None:
    given = random_arrays(images.inputs, seed=3)
    (found,) = Library(library.path).run(given).values()
    np.testing.assert_allclose(found, evaluated(images, given)[0], rtol=1e-4, atol=1e-4)


def test_the_library_says_what_it_is_made_of(library: Compiled, images: Network) -> None:
    manifest = read_manifest(library.path)
    assert manifest == library.manifest
    assert (manifest.network, manifest.network_hash) == ("images", images.digest)
    assert manifest.verification is not None
    assert manifest.verification.agrees
    assert {program.origin for program in manifest.programs} <= {"predicted", "untuned"}
    assert any(program.verified for program in manifest.programs)
    assert manifest.weight_bytes == sum(4 * size for size in (8 * 3 * 9, 8, 8 * 9, 8, 8 * 8, 8, 5 * 8, 5, 1, 1)), (
        "the weights as the file has them"
    )
    assert "apache-tvm" in manifest.licences


def test_inputs_must_be_those_of_the_network(library: Compiled) -> None:
    loaded = Library(library.path)
    for inputs, reason in [
        ({}, "the input image .* is missing"),
        ({"image": np.zeros((1, 3, 12, 12), np.float64)}, "is 1x3x12x12 float32, and 1x3x12x12 float64 was given"),
        ({"image": np.zeros((1, 3, 12, 13), np.float32)}, "1x3x12x13 float32 was given"),
        ({"image": np.zeros((1, 3, 12, 12), np.float32), "mask": np.zeros(1)}, "no input 'mask'"),
    ]:
        with pytest.raises(UsageError, match=reason):
            loaded.run(inputs)


def test_inputs_may_lie_anywhere_in_memory(library: Compiled, images: Network) -> None:
    given = random_arrays(images.inputs)["image"]
    shifted = np.empty(given.nbytes + 4, np.uint8)[4:].view(np.float32).reshape(given.shape)
    shifted[...] = given
    loaded = Library(library.path)
    (one,), (other,) = (loaded.run({"image": array}).values() for array in (given, np.asfortranarray(shifted)))
    np.testing.assert_array_equal(one, other)


def test_a_damaged_library_is_refused(library: Compiled, tmp_path: Path) -> None:
    path = tmp_path / "damaged.so"
    content = library.path.read_bytes()
    path.write_bytes(bytes(64) + content[64:])
    with pytest.raises(BadInputError, match="cannot be loaded here"):
        Library(path)


def test_a_network_that_computes_zeros_verifies_nothing(
    images: Network, target: Target, empty_store: Any, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    from search.measure.here import this_cpu
    from search.networks.importing import import_file

    assert images.onnx is not None
    model = onnx.load_from_string(images.onnx)
    for weight in model.graph.initializer:
        weight.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(weight), weight.name))
    onnx.save(model, str(tmp_path / "zeros.onnx"))
    with this_cpu(target) as device:
        done = compile_network(
            import_file(tmp_path / "zeros.onnx"),
            tmp_path / "zeros.so",
            store=empty_store,
            target=target,
            device=device,
            options=CompileOptions(predicts=False),
        )
    assert done.manifest.verification is not None
    assert done.manifest.verification.agrees is None
    assert "verifies nothing" in done.manifest.verification.note
    assert {program.origin for program in done.manifest.programs} == {"untuned"}


def test_a_library_that_is_wrong_is_not_written(
    images: Network, target: Target, empty_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.measure.here import this_cpu
    from search.networks import reference

    monkeypatch.setattr(reference, "TOLERANCE", -1.0)
    with this_cpu(target) as device, pytest.raises(MeasurementError, match="it is not written"):
        compile_network(
            images,
            tmp_path / "wrong.so",
            store=empty_store,
            target=target,
            device=device,
            options=CompileOptions(predicts=False),
        )
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".so"] == []


def test_one_call_each(images_file: Path, target: Target, empty_store: Any, tmp_path: Path) -> None:
    from search import networks
    from search.options import TuneOptions

    report = networks.tune(str(images_file), 4, store=empty_store, target=target, options=TuneOptions(4, check=False))
    assert sum(task.trials for task in report.tasks) == 4
    done = networks.compile(
        str(images_file), tmp_path / "net.so", store=empty_store, target=target, options=CompileOptions(predicts=False)
    )
    assert "record" in {program.origin for program in done.manifest.programs}
    library = networks.Library(str(tmp_path / "net.so"))
    assert list(library.run(random_arrays(library.manifest.inputs))) == [one.name for one in done.manifest.outputs]
