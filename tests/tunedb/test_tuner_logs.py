"""What came from AutoTVM or Ansor goes out in their own form, and comes back as the same trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tunedb.ingest.test_tables import contents, full
from tests.tunedb.logfiles import ENTITY, STEPS, ansor, autotvm, autotvm_first_form, database, store_of
from tests.tunedb.samples import AROUND, trial
from tunedb.errors import UsageError
from tunedb.identity import canonical_target
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.store.memory import MemoryStore
from tunedb.tuner_logs import FORMS, command_line, export_log

AUTOTVM_LINES = [autotvm(), autotvm_first_form(2e-4), *(autotvm(error=number) for number in (1, 4, 7, 99))]
ANSOR_LINES = [ansor(), ansor(key='["d7b65649a4dd54becea0a52aabbc5af5", 1, 1000]')]
LINES = {"autotvm": AUTOTVM_LINES, "ansor": ANSOR_LINES}


@pytest.mark.parametrize("form", FORMS)
def test_a_log_comes_back_as_the_same_trials(tmp_path: Path, form: str) -> None:
    store, bad = store_of(tmp_path, *LINES[form])
    assert bad == []
    report = export_log(store, tmp_path / "out" / "all.log", form)
    assert (report.trials, report.left_out) == (len(LINES[form]), {})
    again = MemoryStore()
    ingest(again, [tmp_path / "out" / "all.log"])
    first, second = ({row.trial_id: row for row in each.trials()} for each in (store, again))
    assert first.keys() == second.keys()
    for identity, row in first.items():
        other = second[identity]
        assert (row.error, row.measured_at, row.trace) == (other.error, other.measured_at, other.trace)
    assert list(store.targets()) == list(again.targets())


@pytest.mark.parametrize("form", FORMS)
def test_a_log_gives_machines_and_sources_back(tmp_path: Path, form: str) -> None:
    store = full(tmp_path / "in")
    (tmp_path / "in" / "more.log").write_text("".join(f"{line}\n" for line in LINES[form]))
    ingest(store, [tmp_path / "in" / "more.log"], hardware=hardware_named("a told machine"))
    path = tmp_path / "out" / "all.log"
    number = export_log(store, path, form).trials
    for read in (path, path.parent):
        again = MemoryStore()
        report = ingest(again, [read])
        assert (report.added, report.num_rejected, report.unknown_machines) == (number, 0, 0)
        assert contents(again).items() <= contents(store).items()
    assert {row.name for row in again.hardware()} >= {"a told machine"}


def test_the_lines_are_those_of_the_tuner(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, autotvm())
    export_log(store, tmp_path / "best.log", "autotvm", top_k=1)
    assert json.loads((tmp_path / "best.log").read_text()) == {
        **json.loads(autotvm()),
        "config": {"index": -1, "code_hash": None, "entity": ENTITY},
        "result": [[1e-4], 0, 0, 1539972731.25],
    }


def test_ansors_lines(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, ansor())
    export_log(store, tmp_path / "best.log", "ansor")
    told, given_ = json.loads((tmp_path / "best.log").read_text()), json.loads(ansor())
    (key, target, *rest), state = told["i"]
    assert [key, *rest] == [given_["i"][0][0], *given_["i"][0][2:]]
    assert state == STEPS
    assert target == "llvm -link-params=0"  # `-keys=cpu` says nothing more
    assert (told["v"], told["r"][0]) == (given_["v"], given_["r"][0])


def test_only_the_best(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, *(autotvm(secs) for secs in (3e-4, 1e-4, 2e-4)), autotvm(error=4))
    assert export_log(store, tmp_path / "best.log", "autotvm", top_k=1).trials == 1
    assert json.loads((tmp_path / "best.log").read_text())["result"][0] == [1e-4]


def test_trials_of_other_tuners_are_left_out_with_the_reason(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, autotvm())
    ingest(store, [database(tmp_path / "metaschedule")])
    report = export_log(store, tmp_path / "some.log", "autotvm")
    assert (report.trials, report.left_out) == (1, {"not of AutoTVM's tuner, so it has no such form": 3})


def test_an_empty_log_is_not_written(tmp_path: Path) -> None:
    store = MemoryStore()
    store.append([trial(0)], **AROUND)
    assert export_log(store, tmp_path / "new" / "x.log", "ansor").trials == 0
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        export_log(store, tmp_path / "there", "ansor")
    with pytest.raises(UsageError, match="autotvm, ansor"):
        export_log(store, tmp_path / "x", "xgboost")


VALUES = st.one_of(st.text(max_size=8), st.integers(-9, 9), st.booleans(), st.lists(st.text(max_size=4), max_size=3))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fields=st.dictionaries(st.sampled_from(["mcpu", "keys", "mattr", "num-cores", "link-params", "x"]), VALUES))
def test_a_target_is_the_same_as_it_was(fields: dict[str, object]) -> None:
    target = canonical_target({"kind": "llvm", **fields})
    assert canonical_target(command_line(target)) == target


def test_targets_are_written_as_they_were_where_that_can_be() -> None:
    for text in (
        "llvm -mcpu=core-avx2 -num-cores=4",
        "cuda -arch=sm_80 -max_num_threads=1024",
        "llvm -mattr=+avx,+fma",
    ):
        written = command_line(canonical_target(text))
        assert sorted(written.split()) == sorted(text.split())
