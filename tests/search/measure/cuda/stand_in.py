"""This machine's CPU in place of GPUs that are not here: all but the device that kernels run on is the real thing."""

from typing import Any

from search.measure import cuda_driver
from tunedb.records import Target

H100 = cuda_driver.hardware_of("NVIDIA H100 80GB HBM3", (9, 0), 132, 50 << 20, 85_029_158_912, 12040)


def gpus(number: int, lost: int = 0) -> list[Any]:
    """Devices of one kind.

    Args:
        number: How many work.
        lost: How many more stand before them and do not: TVM's runtime has no CUDA device here.
    """
    from search.measure.cuda.gpus import Gpu

    runtimes = ["cuda"] * lost + ["cpu"] * number
    return [Gpu(place, H100, runtime=runtime) for place, runtime in enumerate(runtimes)]


def devices(target: Target, number: int = 2, lost: int = 0, **options: Any) -> Any:
    from search.measure.cuda.device import CudaDevices, CudaOptions
    from search.measure.device import Timing

    told = {"timing": Timing(repeat=2, min_repeat_ms=1), "build_workers": 1, **options}
    return CudaDevices(target, CudaOptions(**told), gpus(number, lost))
