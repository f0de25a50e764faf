import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from search.bo.gaussian_process import GaussianProcess


@pytest.mark.parametrize("nu", [1.5, 2.5])
def test_it_agrees_with_scikit_learn(nu: float) -> None:
    rng = np.random.default_rng(0)
    inputs, asked, values = rng.normal(size=(50, 7)), rng.normal(size=(20, 7)), rng.normal(size=50)
    noise = rng.uniform(0.01, 0.1, size=50)
    ours = GaussianProcess(variance=0.3, length_scale=1.7, nu=nu).fit(inputs, values, noise)
    theirs = GaussianProcessRegressor(
        ConstantKernel(0.3) * Matern(length_scale=1.7, nu=nu), alpha=noise, optimizer=None
    )
    mean, covariance = theirs.fit(inputs, values).predict(asked, return_cov=True)
    assert np.allclose(ours.joint(asked)[0], mean)
    assert np.allclose(ours.joint(asked)[1], covariance)
    assert np.allclose(ours.marginals(asked)[0], mean)
    assert np.allclose(ours.marginals(asked)[1], np.sqrt(np.diag(covariance)))


def test_before_any_observation_it_knows_its_variance_only() -> None:
    process = GaussianProcess(variance=0.25, length_scale=1.0, nu=2.5)
    mean, std = process.marginals(np.zeros((3, 2)))
    assert (mean == 0.0).all()
    assert np.allclose(std, 0.5)
    assert np.allclose(process.joint(np.zeros((3, 2)))[1], 0.25)


def test_equal_inputs_make_no_singular_matrix() -> None:
    process = GaussianProcess(length_scale=1.0, nu=1.5).fit(np.zeros((30, 2)), np.ones(30), 1e-12)
    assert process.marginals(np.zeros((1, 2)))[0] == pytest.approx(1.0, abs=1e-3)


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"nu must be 1\.5 or 2\.5"):
        GaussianProcess(length_scale=1.0, nu=0.5)
