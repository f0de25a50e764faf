"""Real TVM, and records that really crash it."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from costmodels.extraction import extract
from costmodels.extraction.extract import Job, featurise
from costmodels.features import loop_nest
from costmodels.features import workload as descriptors
from tunedb.identity import content_hash
from tunedb.records import Trace

pytestmark = pytest.mark.tvm
VERSION = loop_nest.FEATURE_VERSION


def with_decision(trial, trial_id, value):
    decisions = json.loads(trial.trace.decisions)
    decisions[0][1] = value
    trace = Trace(trial.trace.instructions, json.dumps(decisions).encode())
    return dataclasses.replace(trial, trial_id=trial_id, trace=trace)


def test_does_every_trial_and_says_how_far_it_is(matmul, target):
    module, trials = matmul
    seen = []

    done = featurise([Job(module, target, trials, VERSION)], on_progress=lambda *at: seen.append(at))

    assert set(done.rows) == {trial.trial_id for trial in trials}
    assert all(np.isfinite(row).all() and row.shape == (len(loop_nest.names()),) for row in done.rows.values())
    assert not done.causes
    assert seen[-1] == (24, 24)


def test_a_crash_costs_the_trial_that_caused_it(matmul, target):
    module, trials = matmul
    crash = with_decision(trials[0], "crash", [0, 0, 0, 0])  # divides by zero inside TVM
    nonsense = dataclasses.replace(trials[0], trial_id="nonsense", trace=Trace(b'[["Foo",[],[],[]]]', b"[]"))

    done = featurise([Job(module, target, [trials[0], crash, nonsense, trials[1]], VERSION)])

    assert set(done.rows) == {trials[0].trial_id, trials[1].trial_id}
    assert "ended the process (signal" in done.causes["crash"]
    assert "Foo" in done.causes["nonsense"]
    assert done.crashed == {"crash"}
    undisturbed = featurise([Job(module, target, [trials[1]], VERSION)])
    assert (done.rows[trials[1].trial_id] == undisturbed.rows[trials[1].trial_id]).all()


def test_a_workload_is_described_whatever_became_of_its_trials(matmul, target):
    module, trials = matmul
    crash = with_decision(trials[0], "crash", [0, 0, 0, 0])

    done = featurise([Job(module, target, [trials[0], crash], descriptors.FEATURE_VERSION)])

    assert (done.rows[trials[0].trial_id] == done.rows["crash"]).all()
    assert done.rows["crash"].shape == (len(descriptors.names()),)


def test_a_workload_that_keeps_crashing_is_given_up(matmul, target, monkeypatch):
    monkeypatch.setattr(extract, "_MAX_CRASHES", 2)
    module, trials = matmul
    crashes = [with_decision(trials[0], f"crash{i}", [0, 0, 0, 0]) for i in range(4)]

    done = featurise([Job(module, target, crashes, VERSION)])

    assert sorted("not tried" in cause for cause in done.causes.values()) == [False, False, True, True]


def test_a_trace_that_hangs_is_cut_off(matmul, target, monkeypatch):
    monkeypatch.setattr(loop_nest, "TRIAL_TIMEOUT_SECS", 2.0)
    module, trials = matmul
    instructions = json.loads(trials[0].trace.instructions)
    sample = next(i for i in instructions if i[0] == "SamplePerfectTile")
    sample[2] = [4, 0]  # no innermost factor is small enough: TVM draws for ever
    hang = dataclasses.replace(trials[0], trial_id="hang", trace=Trace(json.dumps(instructions).encode(), b"[]"))

    done = featurise([Job(module, target, [hang, trials[1]], VERSION)])

    assert done.causes == {"hang": "no answer within 2 s"}
    assert set(done.rows) == {trials[1].trial_id}


@pytest.mark.parametrize("graph", [b"null", b"{", b'{"root_index":0,"nodes":[{"type":"ffi.Array","data":[0]}]}'])
def test_a_bad_module_costs_its_trials_only(matmul, target, graph):
    module, trials = matmul
    bad = dataclasses.replace(module, module_id=content_hash("module", graph), module_json=graph)
    of_bad = [dataclasses.replace(t, trial_id=f"bad{i}") for i, t in enumerate(trials[:3])]

    done = featurise([Job(bad, target, of_bad, VERSION), Job(module, target, trials[:2], VERSION)])

    assert set(done.rows) == {t.trial_id for t in trials[:2]}
    assert set(done.causes) == {"bad0", "bad1", "bad2"}


def test_another_release_and_another_target_are_reasons(matmul, target):
    module, trials = matmul
    old = dataclasses.replace(module, tvm_version="0.8.0")
    strange = dataclasses.replace(target, text='{"kind":"toaster"}')

    assert "written by TVM 0.8.0" in featurise([Job(old, target, trials[:1], VERSION)]).causes[trials[0].trial_id]
    assert "toaster" in featurise([Job(module, strange, trials[:1], VERSION)]).causes[trials[0].trial_id]


def test_the_parent_stays_free_of_tvm(tmp_path):
    import subprocess

    code = "import sys, costmodels.training; sys.exit(any(m in sys.modules for m in ('tvm', 'lightgbm', 'pyarrow')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
