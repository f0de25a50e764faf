import numpy as np
import pytest

from costmodels.features import per_store
from costmodels.kinds import of_kind
from costmodels.models.gpu_roofline import GpuRooflineModel
from tunedb.errors import ModelError

NAMES = per_store.names()


def row(**powers: float) -> np.ndarray:
    """Features of a program, given as powers of two of what TVM counts."""
    features = np.zeros((1, len(NAMES)))
    for name, power in {"outer_product": 27.0, "buffer1_lines": 20.0, "buffer1_bytes": 26.0, **powers}.items():
        features[0, NAMES.index(f"max_{name}")] = np.log1p(power)
    return features


def cost(**powers: float) -> float:
    return float(GpuRooflineModel().costs(row(**powers))[0])


def test_it_is_what_a_search_for_cuda_begins_with() -> None:
    assert of_kind("cuda").untrained is GpuRooflineModel
    assert of_kind("cuda").features is per_store
    assert of_kind("cuda").prior.model_folder is None


def test_threads_in_parallel_take_less_time_until_the_gpu_is_full() -> None:
    assert cost(block_x=4, thread_x=5) > cost(block_x=8, thread_x=5) > cost(block_x=8, thread_x=8)
    assert cost(block_x=12, thread_x=8) == pytest.approx(cost(block_x=14, thread_x=8))


def test_half_a_warp_costs_as_much_as_a_warp_at_least() -> None:
    assert cost(block_x=14, thread_x=3) > cost(block_x=12, thread_x=5)


def test_scattered_accesses_cost() -> None:
    assert cost(block_x=8, thread_x=8, buffer1_lines=26) > cost(block_x=8, thread_x=8)


def test_other_features_are_refused() -> None:
    with pytest.raises(ModelError, match=str(len(NAMES))):
        GpuRooflineModel().costs(np.zeros((2, 7)))
