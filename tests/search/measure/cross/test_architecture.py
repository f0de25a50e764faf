"""Of which architecture a target is, and what links for it."""

from __future__ import annotations

import platform

import pytest

from search.measure.cross.architecture import architecture_of, is_foreign, linker_for
from tunedb.identity import canonical_target


@pytest.mark.parametrize(
    ("triple", "architecture"),
    [
        ("aarch64-linux-gnu", "aarch64"),
        ("arm64-linux", "aarch64"),
        ("riscv64-linux-gnu", "riscv64"),
        ("x86_64-linux-gnu", "x86_64"),
        ("", platform.machine()),
    ],
)
def test_a_triple_begins_with_it(triple: str, architecture: str) -> None:
    target = canonical_target({"kind": "llvm", "mtriple": triple})
    assert architecture_of(target) == architecture
    assert is_foreign(target) == (architecture != platform.machine())


def test_what_links_is_the_one_that_was_named_or_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = canonical_target({"kind": "llvm", "mtriple": "sparc64-linux-gnu"})
    assert linker_for(foreign, "my-c++") == "my-c++"
    assert linker_for(foreign) is None
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert linker_for(foreign) == "sparc64-linux-gnu-g++"
    assert linker_for(canonical_target({"kind": "llvm"})) == "g++"
    assert not is_foreign(canonical_target({"kind": "cuda"}))
