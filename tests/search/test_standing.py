import pytest

from search.standing import Clock, Standing, TaskStanding, heaviest_first


def task(name: str, weight: float, secs: float, before: float | None, gain: float = 0.0) -> TaskStanding:
    return TaskStanding(name, name, weight, 4, secs, True, before, gain, 1e9, 0.5)


def test_a_network_is_the_sum_of_its_tasks() -> None:
    tasks = heaviest_first([task("light", 1, 0.001, None, 0.5), task("heavy", 4, 0.002, 0.003, 0.1)])
    assert [one.name for one in tasks] == ["heavy", "light"]
    found = Standing(tasks, 8, 100, 10.0, None)
    assert found.secs == pytest.approx(0.009)
    assert found.before_secs == pytest.approx(0.013), "a task without anything before stays as it is"
    assert found.gain == pytest.approx((0.008 * 0.1 + 0.001 * 0.5) / 0.009)


def test_what_is_left_counts_looks_questions_and_trials() -> None:
    clock = Clock()
    assert clock.left(100, 5, 2, 4) is None
    clock.asked(2.0, is_first=True)
    clock.measured(1.0, 2)
    assert clock.trials == [0.5, 0.5]
    later = 0.3 * 2.0
    assert clock.left(0, 0, 2, 4) == pytest.approx(2 * 0.5), "the one task is measured again"
    assert clock.left(8, 0, 2, 4) == pytest.approx(2 * later + 8 * 0.5 + 1.0)
    assert clock.left(8, 2, 2, 4) == pytest.approx(2 * 2.0 + later + 8 * 0.5 + 3 * 1.0)
    clock.asked(0.1, is_first=False)
    assert clock.left(8, 0, 2, 4) == pytest.approx(2 * 0.1 + 8 * 0.5 + 1.0), "a later question takes what it took"
