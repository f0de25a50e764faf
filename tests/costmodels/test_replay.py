import dataclasses
import json

import pytest

from costmodels import replay
from tunedb.errors import BadInputError
from tunedb.records import Trace

pytestmark = pytest.mark.tvm


def test_replays_what_was_recorded(matmul, target):
    workload, trials = matmul

    replayed = replay.candidates(workload, trials[:3], target)

    assert [trial for trial, _ in replayed] == trials[:3]
    recorded = [[value for _, value in json.loads(trial.trace.decisions)] for trial, _ in replayed]
    again = [[_plain(d) for d in schedule.trace.decisions.values()] for _, schedule in replayed]
    assert [sorted(map(str, decisions)) for decisions in recorded] == [sorted(map(str, d)) for d in again]


def test_leaves_out_what_does_not_apply(matmul, target, caplog):
    workload, trials = matmul
    bad = dataclasses.replace(trials[0], trial_id="bad", trace=Trace(b'[["Foo",[],[],[]]]', b"[]"))

    replayed = replay.candidates(workload, [bad, trials[1]], target)

    assert [trial for trial, _ in replayed] == [trials[1]]
    assert "trial bad: the trace does not apply: " in caplog.text


def test_a_module_of_another_release_is_not_even_parsed(matmul, target):
    workload, trials = matmul

    with pytest.raises(BadInputError, match=r"written by TVM 0\.8\.0"):
        replay.candidates(dataclasses.replace(workload, tvm_version="0.8.0"), trials, target)
    with pytest.raises(BadInputError, match="has no module"):
        replay.candidates(dataclasses.replace(workload, module_json=b""), trials, target)


def _plain(decision):
    return [int(x) for x in decision] if hasattr(decision, "__len__") else int(decision)
