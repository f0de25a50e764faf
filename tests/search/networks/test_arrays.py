from pathlib import Path

import numpy as np
import pytest

from search.networks.arrays import random_arrays, read_arrays, write_arrays
from search.networks.network import TensorSpec
from tunedb.errors import BadInputError, NotFoundError, StoreError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    given = {"x": np.arange(6.0).reshape(2, 3)}
    write_arrays(tmp_path / "a.npz", given)
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["x"], given["x"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_arrays(tmp_path / "absent.npz")
    (tmp_path / "garbage.npz").write_bytes(b"garbage")
    with pytest.raises(BadInputError, match="of arrays"):
        read_arrays(tmp_path / "garbage.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(BadInputError, match="its array has no name"):
        read_arrays(tmp_path / "one.npy")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    with pytest.raises(BadInputError, match="of arrays"):
        read_arrays(tmp_path / "objects.npz")


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        write_arrays(tmp_path / "file" / "a.npz", {"x": np.ones(2)})


def test_whole_numbers_may_be_indices_and_seeds_tell() -> None:
    specs = (TensorSpec("ids", "int64", (64,)), TensorSpec("x", "float32", (4,)), TensorSpec("mask", "bool", (4,)))
    found = random_arrays(specs, seed=1)
    assert 0 <= found["ids"].min() <= found["ids"].max() < 8
    assert {name: str(array.dtype) for name, array in found.items()} == {"ids": "int64", "x": "float32", "mask": "bool"}
    np.testing.assert_array_equal(found["x"], random_arrays(specs, seed=1)["x"])
