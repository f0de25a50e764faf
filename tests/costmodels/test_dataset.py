import dataclasses

import numpy as np
import pytest

from costmodels.dataset import fold_numbers, leave_one_group_out, make_dataset
from tunedb.records import Outcome, Trace, Trial


def trial(trial_id, secs, workload_id="w", hardware_id="h"):
    return Trial(trial_id, workload_id, "m", "t", hardware_id, "s", 0, Trace(b"[]", b"[]"), b"[]", (secs,))


def test_scores_are_relative_to_the_best_on_the_same_machine():
    trials = [trial("a", 2.0), trial("b", 1.0), trial("c", 8.0, hardware_id="slow"), trial("d", 4.0, "other")]

    dataset = make_dataset(trials, {t.trial_id: np.ones(3) for t in trials})

    assert dataset.scores.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert dataset.workload_ids == ("other", "w")
    assert dataset.groups.tolist() == [1, 1, 1, 0]
    assert dataset.log_costs == pytest.approx([np.log(2), 0, 0, 0])


def test_failed_trials_and_those_without_features_are_left_out():
    failed = dataclasses.replace(trial("failed", 1.0), run_secs=(), outcome=Outcome.RUN_ERROR)

    dataset = make_dataset([failed, trial("a", 1.0), trial("b", 1.0)], {"failed": np.ones(2), "a": np.ones(2)})

    assert dataset.trial_ids == ("a",)


def test_each_group_is_left_out_once():
    groups = np.array([0, 0, 1, 2])

    splits = list(leave_one_group_out(groups))

    assert [test.tolist() for _, test in splits] == [
        [True, True, False, False],
        [False] * 2 + [True, False],
        [False] * 3 + [True],
    ]
    assert all((train != test).all() for train, test in splits)


def test_folds_split_no_group_and_are_of_like_size():
    groups = np.repeat(np.arange(12), 10)

    folds = fold_numbers(groups, 4, seed=3)

    assert np.bincount(folds).tolist() == [30] * 4
    assert all(len(set(folds[groups == g])) == 1 for g in range(12))
    assert (folds == fold_numbers(groups, 4, seed=3)).all()
    assert fold_numbers(np.repeat([5, 9], 3), 4, seed=0).max() == 1


def test_one_group_is_dealt_out_row_by_row():
    assert np.bincount(fold_numbers(np.zeros(10, dtype=np.int64), 5, seed=0)).tolist() == [2] * 5
