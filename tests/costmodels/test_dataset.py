import numpy as np

from costmodels.dataset import Dataset, fold_numbers


def test_pools_of_one_workload_have_one_number():
    groups = np.array([0, 0, 1, 2])
    data = Dataset(np.zeros((4, 1)), np.array([1.0, 0.5, 1.0, 1.0]), groups, ("v", "u", "v"), tuple("abcd"))

    assert data.workloads.tolist() == [1, 1, 0, 1]
    assert data.log_costs.tolist() == [0, np.log(2), 0, 0]
    assert data.rows(groups != 1).workloads.tolist() == [1, 1, 1]


def test_folds_split_no_group_and_are_of_like_size():
    groups = np.repeat(np.arange(12), 10)

    folds = fold_numbers(groups, 4, seed=3)

    assert np.bincount(folds).tolist() == [30] * 4
    assert all(len(set(folds[groups == g])) == 1 for g in range(12))
    assert (folds == fold_numbers(groups, 4, seed=3)).all()
    assert fold_numbers(np.repeat([5, 9], 3), 4, seed=0).max() == 1


def test_one_group_is_dealt_out_row_by_row():
    assert np.bincount(fold_numbers(np.zeros(10, dtype=np.int64), 5, seed=0)).tolist() == [2] * 5
