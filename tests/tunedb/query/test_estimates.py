import math
import random

import pytest

from tunedb.query.estimates import CONFIDENCE, estimate, student_t, tied


def test_a_single_pass_is_as_uncertain_as_drift_makes_it() -> None:
    found = estimate([[1.2e-3, 1.0e-3, 1.1e-3]])
    assert found.secs == pytest.approx(1.0e-3)
    assert (found.num_rounds, found.num_runs) == (1, 3)
    assert 0.1 < math.log(found.high_secs / found.low_secs) < 0.5


def test_runs_in_a_row_do_not_narrow_the_interval_but_passes_do() -> None:
    many_runs = estimate([[1e-3] * 100])
    many_passes = estimate([[1e-3]] * 16)
    assert many_runs.low_secs == pytest.approx(estimate([[1e-3]]).low_secs)
    assert many_passes.low_secs > many_runs.low_secs
    assert many_passes.high_secs < many_runs.high_secs


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(0)
    covered = 0
    for _ in range(2000):
        passes = [[1e-3 * math.exp(rng.gauss(0, 0.08))] for _ in range(rng.choice((1, 2, 5)))]
        found = estimate(passes)
        covered += found.low_secs <= 1e-3 <= found.high_secs
    assert covered / 2000 == pytest.approx(CONFIDENCE, abs=0.05)


def test_ties_are_what_cannot_be_told_apart() -> None:
    assert tied(estimate([[1.00e-3]]), estimate([[1.05e-3]]))
    assert not tied(estimate([[1.0e-3]]), estimate([[1.5e-3]]))
    steady = [[1.0e-3]] * 30, [[1.08e-3]] * 30
    assert not tied(estimate(steady[0]), estimate(steady[1]))


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.1318), (10, 1.8125), (100, 1.6602)])
def test_students_t_agrees_with_the_table(freedom: float, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, rel=4e-3)


@pytest.mark.parametrize("passes", [[], [[]], [[1.0], []]])
def test_nothing_is_no_estimate(passes: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate(passes)
