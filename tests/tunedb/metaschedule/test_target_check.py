"""Targets that the installed TVM would take for others are refused before anything is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunedb.errors import UsageError
from tunedb.identity import canonical_target

pytest.importorskip("tvm")

from tunedb.metaschedule.target_check import check_target

pytestmark = pytest.mark.tvm

_X86 = "-mtriple=x86_64-linux-gnu"

REFUSED = {
    f"llvm {_X86} -mcpu=znver55": "mcpu 'znver55' .* did you mean 'znver5'",
    f"llvm {_X86} -mcpu=ZNVER4": "did you mean 'znver4'",
    f"llvm {_X86} -mcpu=skylake-avx521": "did you mean 'skylake-avx512'",
    f"llvm {_X86} -mcpu=cortex-a72": "LLVM knows no mcpu 'cortex-a72' for x86_64",
    f"llvm {_X86} -mcpu=native": "mcpu",
    '{"kind":"llvm","mcpu":5}': "mcpu 5",
    "llvm -mtriple=x86-64-linux": "did you mean 'x86_64'",
    "llvm -mtriple=foo-bar-baz": "mtriple",
    f"llvm {_X86} -mattr=+avx9": "feature 'avx9' .* did you mean .*'avx2'",
    f"llvm {_X86} -mcpu=znver4 -mattr=-avx9": "feature 'avx9'",
    f"llvm {_X86} -mattr=avx2": "begins neither with",
    "llvm -num-cores=0": "num-cores is 0",
    "llvm -num-cores=-3": "num-cores is -3",
    "llvm -num-cores=9999999": "num-cores is 9999999",
    '{"kind":"llvm","num-cores":"4"}': 'num-cores is "4"',
    '{"kind":"llvm","num-cores":2.5}': "num-cores is 2.5",
    '{"kind":"llvm","num-cores":true}': "num-cores is true",
    "llvm -num_cores=4": "did you mean 'num-cores'",
    "llvm -link-params=0": "no option 'link-params'",
    "lvm": "no kind 'lvm'; did you mean 'llvm'",
    "llvm -opt-level=9": "opt-level is 9",
    "llvm -cl-opt=-bogus=1": "not an LLVM option",
    "llvm -mfloat-abi=foo": "mfloat-abi",
    '{"kind":"llvm","keys":"cpu"}': "keys",
    "cuda -arch=sm_999": "sm_999",
    "cuda -arch=ampere": "ampere",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_target_that_would_be_taken_for_another_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=REFUSED[text]):
        check_target(canonical_target(text))


@pytest.mark.parametrize(
    "text",
    [
        "llvm",
        f"llvm {_X86} -mcpu=znver4 -num-cores=8",
        f"llvm {_X86} -mcpu=x86-64-v3 -mattr=+avx512f,-fma,+soft-float",
        f"llvm {_X86} -mcpu=core-avx2 -opt-level=3",
        "llvm -mtriple=aarch64-linux-gnu -mcpu=apple-m1",
        "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -mattr=+neon",
        "raspberry-pi/4b-aarch64",
        "c",
        "cuda -arch=sm_90a",
        "nvidia/geforce-rtx-3090",
    ],
)
def test_other_targets_pass(text: str) -> None:
    target = canonical_target(text)
    assert check_target(target) == target


def test_what_llvm_complains_of_is_not_shown_twice(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check_target(canonical_target(f"llvm {_X86} -mcpu=znver4 -mattr=+nonsense"))
    os.write(2, b"still there\n")
    assert capfd.readouterr().err == "still there\n"
