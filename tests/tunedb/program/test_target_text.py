"""Targets as people and logs write them."""

from __future__ import annotations

import importlib.util
import json

import pytest

from tests.tunedb.make_tags import tags_of_tvm
from tunedb.errors import AmbiguousPrefixError, BadInputError, NotFoundError
from tunedb.identity import canonical_target
from tunedb.program.target_text import tags
from tunedb.store.resolve import pick_target

SAME = {
    "llvm": {"kind": "llvm"},
    "llvm -keys=cpu": {"kind": "llvm"},
    "cuda -model=1080ti": {"kind": "cuda", "model": "1080ti"},
    "llvm -keys=cpu -mcpu=core-avx2 -num-cores=4": {"kind": "llvm", "mcpu": "core-avx2", "num-cores": 4},
    "llvm -mattr=+neon,+dotprod": {"kind": "llvm", "mattr": ["+neon", "+dotprod"]},
    "llvm -mattr='+avx2,+fma' -mcpu=\"core-avx2\"": {"kind": "llvm", "mattr": ["+avx2", "+fma"], "mcpu": "core-avx2"},
    "llvm -libs=cblas,mkl": {"kind": "llvm", "libs": ["cblas", "mkl"]},
    "llvm --system-lib -link-params=0": {"kind": "llvm", "link-params": False, "system-lib": True},
    "llvm -link-params=True": {"kind": "llvm", "link-params": True},
    "llvm -num-cores=-3": {"kind": "llvm", "num-cores": -3},
    "cuda -keys=cuda,gpu -arch=sm_86 -max_num_threads=1024": {
        "kind": "cuda",
        "keys": ["cuda", "gpu"],
        "arch": "sm_86",
        "max_num_threads": 1024,
    },
    "cuda -arch=sm_86 -host=llvm": {"kind": "cuda", "arch": "sm_86", "host": {"kind": "llvm"}},
    "cuda -arch=sm_86 -host='llvm -mcpu=znver4'": {
        "kind": "cuda",
        "arch": "sm_86",
        "host": {"kind": "llvm", "mcpu": "znver4"},
    },
    "opencl -device=mali -model=rk3399": {"kind": "opencl", "device": "mali", "model": "rk3399"},
    '{"kind": "llvm", "mcpu": "core-avx2"}': {"kind": "llvm", "mcpu": "core-avx2"},
    '{"kind": "cuda", "host": "llvm -mcpu=znver4"}': {"kind": "cuda", "host": {"kind": "llvm", "mcpu": "znver4"}},
}


@pytest.mark.parametrize("text", SAME)
def test_the_same_target_in_any_form_is_one(text: str) -> None:
    wanted = canonical_target(SAME[text])
    assert canonical_target(text) == wanted
    assert canonical_target(json.dumps(text)) == wanted  # as a record has it
    assert canonical_target(text.encode()) == wanted
    assert canonical_target(wanted.text) == wanted
    assert pick_target([wanted, canonical_target("hexagon")], text) == wanted


@pytest.mark.parametrize(
    "bad", ["", " ", "-mcpu=x", "llvm mcpu", "llvm -", "LLVM -mcpu=x", "llvm -mcpu='x", "no/such-tag", "llvm -host="]
)
def test_what_is_no_target_says_so(bad: str) -> None:
    with pytest.raises(BadInputError, match="target"):
        canonical_target(bad)
    with pytest.raises((NotFoundError, AmbiguousPrefixError)):
        pick_target([canonical_target("llvm"), canonical_target("cuda")], bad)


def test_hosts_within_hosts_end() -> None:
    text = "llvm"
    for _ in range(12):
        text = f"cuda -host={json.dumps(text)}"
    with pytest.raises(BadInputError, match="within"):
        canonical_target(text)


def test_what_tvm_adds_by_itself_need_not_be_typed() -> None:
    logged = canonical_target("cuda -keys=cuda,gpu -arch=sm_86 -max_num_threads=1024 -thread_warp_size=32")
    assert pick_target([logged], "cuda -arch=sm_86") == logged
    with pytest.raises(NotFoundError):
        pick_target([logged], "cuda -arch=sm_80")


def test_a_near_equal_target_never_answers() -> None:
    eight = canonical_target("llvm -mcpu=znver4 -num-cores=8")
    with pytest.raises(NotFoundError, match="num-cores=8"):
        pick_target([eight], "llvm -mcpu=znver4 -num-cores=4")


def test_tags_are_known_without_tvm() -> None:
    tagged = canonical_target("nvidia/geforce-rtx-3090 -host='llvm -mcpu=znver4'")
    assert (tagged.kind, tagged.arch, json.loads(tagged.text)["host"]["mcpu"]) == ("cuda", "sm_86", "znver4")


@pytest.mark.tvm
@pytest.mark.skipif(importlib.util.find_spec("tvm") is None, reason="needs TVM")
def test_tags_are_those_of_tvm() -> None:
    assert tags() == tags_of_tvm()
