from pathlib import Path

import msgspec
import pytest

from search.networks.manifest import Manifest, Program, Tensor, Verification, amend_manifest, constant, read_manifest
from tunedb.errors import BadInputError, NotFoundError

MANIFEST = Manifest(
    network="net",
    network_hash="0" * 64,
    target='{"kind":"llvm"}',
    layout="NHWC",
    tvm_version="0.27",
    tunedb_version="0.1",
    made_at="2026-11-27T00:00:00+00:00",
    inputs=(Tensor("x", "float32", (1, 8)),),
    outputs=(Tensor("ÿ", "float32", ()),),
    programs=(Program("dense", "matmul 8x8", "ab", 2, ("dense",), 1024.0, 768.0, "untuned", note="nothing"),),
    weight_bytes=32,
    licences={"apache-tvm": "Apache-2.0"},
)


def content(manifest: Manifest) -> bytes:
    """What a compiler makes of the constant."""
    numbers = constant(manifest).partition("{")[2].partition("}")[0]
    return bytes(map(int, numbers.split(",")))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.so"
    path.write_bytes(b"\x7fELF" + bytes(1000) + content(MANIFEST) + b"more")
    assert read_manifest(path) == MANIFEST


def test_a_manifest_takes_the_place_of_the_one_before_and_the_rest_stays(tmp_path: Path) -> None:
    library = b"\x7fELF" + bytes(1000) + content(MANIFEST) + b"more"
    more = msgspec.structs.replace(MANIFEST, verification=Verification("ONNX Runtime", 1e-3, 1e-7, True, "x" * 1000))
    path = tmp_path / "net.so"
    path.write_bytes(library)
    amend_manifest(path, more)
    assert read_manifest(path) == more
    assert path.stat().st_size == len(library)
    with pytest.raises(ValueError, match="no room"):
        amend_manifest(path, msgspec.structs.replace(more, network="x" * 5000))
    amend_manifest(path, MANIFEST)
    assert path.read_bytes() == library
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="no manifest"):
        amend_manifest(path, MANIFEST)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.so"
    with pytest.raises(NotFoundError):
        read_manifest(path)
    for held, reason in [
        (b"", "empty"),
        (b"\x7fELF and nothing else", "no manifest"),
        (content(MANIFEST)[:200], "no manifest"),
        (content(MANIFEST).replace(b'"weight_bytes":32', b'"weight_bytes":"x"'), "cannot be read"),
    ]:
        path.write_bytes(held)
        with pytest.raises(BadInputError, match=reason):
            read_manifest(path)


def test_a_later_manifest_with_more_keys_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.so"
    more = msgspec.json.encode({**msgspec.to_builtins(MANIFEST), "new": 1})
    path.write_bytes(content(MANIFEST).replace(msgspec.json.encode(MANIFEST), more))
    assert read_manifest(path) == MANIFEST
