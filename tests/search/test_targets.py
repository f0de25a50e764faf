import json

import pytest

from tunedb.errors import UsageError

pytestmark = pytest.mark.tvm


def test_the_local_target_names_the_cpu_and_its_cores() -> None:
    from search.targets import local_target
    from tunedb.metaschedule.replay import target_to_tvm

    target = local_target(num_cores=3)
    assert target.kind == "llvm"
    assert target.arch
    assert target.num_cores == json.loads(target.text)["num-cores"] == 3
    assert str(target_to_tvm(target).kind.name) == "llvm"


def test_targets_are_read_from_json_and_tags() -> None:
    from search.targets import parse_target

    assert parse_target('{"kind": "llvm", "mcpu": "znver5", "num-cores": 4}').arch == "znver5"
    assert parse_target("nvidia/geforce-rtx-3090").kind == "cuda"


@pytest.mark.parametrize("text", ["llvm mcpu=znver5", "no-such-target", '{"kind": 3}', "{"])
def test_other_texts_are_refused_with_a_reason(text: str) -> None:
    from search.targets import parse_target

    with pytest.raises(UsageError, match="target"):
        parse_target(text)
