"""A busy machine is noticed before and during a run, and said once each."""

import logging
from pathlib import Path

import pytest

from search.measure.surroundings import Surroundings


def told(root: Path, average: float, stolen: int) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/loadavg").write_text(f"{average} 0 0 1/1 1\n")
    (root / "proc/stat").write_text(f"cpu0 100 0 0 {1000 - stolen} 0 0 0 {stolen} 0 0\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in (0, 1):
        topology = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text("0-1\n")
    told(tmp_path, 0.1, 0)
    return tmp_path


def test_a_quiet_machine_is_no_news(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = Surroundings(1, best_secs=1.0, chosen=[0], root=root)
    found.begin()
    found.measured(1.1)
    assert caplog.messages == []
    assert found.document() == {
        "processors": "0",
        "cores": 1,
        "nodes": "0",
        "load_average": 0.1,
        "stolen": None,
        "kernel_times_its_best": 1.1,
        "busy_before": [],
        "busy_during": [],
    }


def test_what_disturbs_is_said_once_before_and_once_during(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    told(root, 2.5, 0)
    found = Surroundings(1, best_secs=1.0, chosen=[0], root=root)
    found.begin()
    (root / "proc/stat").write_text("cpu0 200 0 0 1900 0 0 0 100 0 0\n")
    for secs in (1.3, 1.4):
        found.measured(secs)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    before, during = caplog.messages
    assert "is busy: load average 2.5 on 2 processors" in before
    assert "load" not in during, "it was said before"
    assert "9% of the processors' time" in during
    assert "takes 1.30 times what it took at best" in during
    assert found.document()["kernel_times_its_best"] == 1.4


def test_threads_of_one_core_are_said_where_programs_have_threads(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    Surroundings(1, chosen=[0, 1], root=root).begin()
    assert caplog.messages == []
    Surroundings(2, chosen=[0, 1], root=root).begin()
    assert "they are 1 core" in caplog.text
    assert Surroundings(2, chosen=[0, 1], root=root).document()["kernel_times_its_best"] is None
