import numpy as np
import pytest

from costmodels import metrics

SCORES = np.array([0.2, 1.0, 0.5, 0.4])


def test_a_perfect_ranking_scores_one_everywhere():
    found = metrics.summary(SCORES, -SCORES, np.zeros(4, dtype=np.int64))

    assert found == pytest.approx({"top1": 1, "top5": 1, "top16": 1, "pairwise": 1, "spearman": 1})


def test_top_k_is_the_best_latency_over_the_best_found():
    worst_first = SCORES

    assert metrics.top_k(SCORES, worst_first, 1) == pytest.approx(0.2)
    assert metrics.top_k(SCORES, worst_first, 2) == pytest.approx(0.4)
    assert metrics.top_k(SCORES, worst_first, 4) == 1


def test_top_k_of_sums_weighs_workloads_by_latency():
    assert metrics.top_k_of_sums(np.array([1.0, 9.0]), np.array([2.0, 9.0])) == pytest.approx(10 / 11)


def test_ties_count_half_in_pairs_and_nothing_in_ranks():
    assert metrics.pairwise_accuracy(SCORES, np.zeros(4)) == 0.5
    assert np.isnan(metrics.spearman(SCORES, np.zeros(4)))
    assert metrics.spearman(SCORES, SCORES) == pytest.approx(-1)


def test_undefined_metrics_are_left_out():
    found = metrics.summary(np.ones(1), np.ones(1), np.zeros(1, dtype=np.int64))

    assert set(found) == {"top1", "top5", "top16"}
