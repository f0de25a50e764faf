"""Stores that were damaged: what is said of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tests.tunedb import samples
from tests.tunedb.maintenance.damage import good, problems
from tunedb import open_store
from tunedb.maintenance.repair import repair


def test_a_sound_store_is_sound(folder: Path) -> None:
    assert problems(folder) == []
    before = sorted(folder.rglob("*"))
    assert repair(folder) == []
    assert sorted(folder.rglob("*")) == before


def test_contents_that_were_changed_are_named(folder: Path) -> None:
    with open_store(folder) as store:
        store.append([dataclasses.replace(good(3), run_secs=(1e-9,))])
        softmax = samples.workload("softmax")
        changed = dataclasses.replace(samples.module(softmax), module_json=b"other")
        store.append([], workloads=[softmax], modules=[changed])
    found = problems(folder)
    assert len(found) == 2
    assert changed.module_id in found[0]
    assert good(3).trial_id in found[1]
