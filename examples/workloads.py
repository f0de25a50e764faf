"""Workloads to tune: `tunedb tune examples/workloads.py:dilated_conv2d`.

Each function returns a TVM PrimFunc. None of them is among the logs in data/.
"""

from tvm import te
from tvm.s_tir.meta_schedule.testing import te_workload
from tvm.tirx import PrimFunc


def dilated_conv2d() -> PrimFunc:
    """A 3x3 convolution of 7x7x512, dilation 2: the last stage of a dilated ResNet."""
    return te.create_prim_func(te_workload.conv2d_nhwc(1, 7, 7, 512, 512, 3, 1, 1, 2))


def matmul() -> PrimFunc:
    """A matrix product of 256x320 by 320x192."""
    return te.create_prim_func(te_workload.matmul(256, 192, 320))


def small_matmul() -> PrimFunc:
    """A matrix product small enough for a try in seconds."""
    return te.create_prim_func(te_workload.matmul(64, 64, 64))
