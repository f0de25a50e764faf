import dataclasses
from pathlib import Path

import pytest

from tests.tunedb import samples
from tests.tunedb.samples import AROUND, MACHINE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial, verdict
from tunedb import open_store
from tunedb.identity import source
from tunedb.machine.hardware import hardware_named
from tunedb.machine.kernels import ARITHMETIC
from tunedb.maintenance.merge import merge
from tunedb.maintenance.verify import verify
from tunedb.records import Rejected


@pytest.mark.parametrize("batch", [2, 20_000])
def test_all_is_merged_with_its_source_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr("tunedb.maintenance.merge._BATCH", batch)
    lab, machine = source("lab/log.json", "metaschedule-json"), hardware_named("lab")
    softmax = samples.workload("softmax")
    module = samples.module(softmax)
    bad = Rejected("lab/log.json", 7, "not JSON", b"{")
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        around = AROUND
        one.append([trial(0), trial(1)], **around)
        two.append([trial(1), failed(2)], **around)
        theirs = [
            trial(
                number,
                workload_id=softmax.workload_id,
                module_id=module.module_id,
                target_id=OTHER_TARGET.target_id,
                hardware_id=machine.hardware_id,
                source_id=lab.source_id,
            )
            for number in range(3)
        ]
        two.append(
            theirs,
            workloads=[softmax],
            modules=[module],
            targets=[OTHER_TARGET],
            hardware=[machine],
            sources=[lab],
            rejected=[bad],
        )
        report = merge(one, two)
        assert (report.added, report.duplicates, report.failed_trials) == (4, 1, 1)
        assert report.by_source == {SOURCE.source_id: (1, 1), lab.source_id: (3, 0)}
        again = merge(one, two)
        assert (again.added, again.duplicates) == (0, 5)
        assert {row.trial_id for row in one.trials()} == {
            row.trial_id for row in (trial(0), trial(1), failed(2), *theirs)
        }
        assert {row.source_id for row in one.trials(softmax.workload_id)} == {lab.source_id}
        added_at = {row.source_id: row.added_at for row in two.sources()}[lab.source_id]
        assert {row.source_id: row.added_at for row in one.sources()}[lab.source_id] == added_at
        assert [row.name for row in one.workloads()] == [WORKLOAD.name, softmax.name]
        assert list(one.rejected()) == [bad]
        assert one.problems() == []
        assert two.stats().num_trials == 5


def test_trials_that_calibrate_a_machine_are_merged_and_sound(tmp_path: Path) -> None:
    """They are no workloads of the user's, and yet each tuning run leaves some."""
    kernel = dataclasses.replace(WORKLOAD, workload_id=ARITHMETIC.workload_id, signature="")
    module = samples.module(kernel)
    mine = trial(0, workload_id=kernel.workload_id, module_id=module.module_id)
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        two.append([mine], workloads=[kernel], modules=[module], targets=[TARGET], hardware=[MACHINE], sources=[SOURCE])
        assert two.workloads() == []
        assert merge(one, two).added == 1
        for store in (one, two):
            assert [row.trial_id for row in store.trials(kernel.workload_id)] == [mine.trial_id]
            assert verify(store) == []


def test_verdicts_go_along(tmp_path: Path) -> None:
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        one.append_verdicts([verdict(0)])
        two.append([trial(0)], **AROUND)
        two.append_verdicts([verdict(0), verdict(0, 0.5, day=1), verdict(9)])
        for _ in range(2):
            merge(one, two)
        assert one.verdicts() == two.verdicts()
        assert verify(one) == []


def test_all_sources_of_a_trial_that_both_have_are_kept(tmp_path: Path) -> None:
    lab, third = source("lab/log.json", "metaschedule-json"), source("third.json", "metaschedule-json")
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        one.append([trial(0)], **AROUND)
        two.append([trial(0, source_id=lab.source_id, position=4)], **{**AROUND, "sources": [lab]})
        two.append([trial(0, source_id=third.source_id, position=5)], sources=[third])
        for _ in range(2):
            assert merge(one, two).duplicates == 1
        found = one.sql("SELECT source_id, position FROM sightings ORDER BY position").rows
        assert found == [(lab.source_id, 4), (third.source_id, 5)]
        assert [row.source_id for row in one.trials()] == [SOURCE.source_id]
        assert verify(one) == []
