"""How busy a machine is, by files as Linux has them."""

from pathlib import Path

import pytest

from tunedb.machine.load import Load, Times, load, times


def machine(root: Path, average: str, *rows: str) -> Path:
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/loadavg").write_text(f"{average} 0.50 0.25 1/100 4242\n")
    (root / "proc/stat").write_text("\n".join(["cpu  9 9 9 9 9 9 9 9 0 0", *rows, "ctxt 1", ""]))
    return root


def test_times_of_some_processors_are_added(tmp_path: Path) -> None:
    root = machine(
        tmp_path, "0.1", "cpu0 10 0 5 80 0 0 0 5 3 0", "cpu1 20 0 0 70 0 0 0 10 0 0", "cpu12 1 1 1 1 1 1 1 1 0 0"
    )
    assert times([0, 1], root) == Times(200, 15)
    assert times([1], root) == Times(100, 10)
    assert times([7], root) is None


@pytest.mark.parametrize(
    ("average", "stolen", "own", "told"),
    [
        (0.9, 0.0, 0.0, 0),
        (1.2, None, 0.0, 1),
        (1.9, 0.01, 1.0, 0),
        (None, 0.05, 0.0, 1),
        (3.0, 0.05, 1.0, 2),
        (None, None, 0.0, 0),
    ],
)
def test_what_disturbs_is_told(average: float | None, stolen: float | None, own: float, told: int) -> None:
    assert len(Load(average, 2, stolen).signs(own)) == told


def test_stolen_time_is_of_the_time_between(tmp_path: Path) -> None:
    root = machine(tmp_path, "1.5")
    found = load(2, Times(1000, 10), Times(1200, 60), root)
    assert (found.load_average, found.stolen) == (1.5, 0.25)
    assert load(2, Times(1000, 10), Times(1000, 10), root).stolen is None


def test_nothing_is_told_of_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert times([0], tmp_path) is None
    assert load(1, root=tmp_path) == Load()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("none\n")
    assert load(1, root=tmp_path).load_average is None
