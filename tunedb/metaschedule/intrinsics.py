"""TVM's tensor intrinsics, of which only those are imported that a target can use.

`tvm.s_tir.tensor_intrin` registers the intrinsics of every backend, which takes 10 to 18 CPU seconds, and
`TuneContext` imports it, in each build worker too. A stand-in module whose `__path__` is the real folder lets the
few that a CPU target needs be imported alone (0.15 s). GPU targets need the real one.

This module imports TVM late; call it before any `TuneContext` is made.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

_PACKAGE = "tvm.s_tir.tensor_intrin"


def register_for(target_kind: str, target_keys: tuple[str, ...] = ("cpu",)) -> None:
    """Registers the tensor intrinsics for a kind of target; does nothing the second time.

    Args:
        target_kind: the kind of the target by TVM's name, such as "llvm" or "cuda".
        target_keys: the keys of the target; "arm_cpu" selects the Arm intrinsics.
    """
    if target_kind not in ("llvm", "c"):
        stand_in = sys.modules.get(_PACKAGE)
        if stand_in is not None and getattr(stand_in, "__spec__", None) is None:
            del sys.modules[_PACKAGE]
        importlib.import_module(_PACKAGE)
        return
    if _PACKAGE not in sys.modules:
        import tvm.s_tir

        stand_in = types.ModuleType(_PACKAGE)
        stand_in.__path__ = [str(Path(tvm.s_tir.__file__).parent / "tensor_intrin")]
        sys.modules[_PACKAGE] = stand_in
    if "arm_cpu" in target_keys:
        importlib.import_module(f"{_PACKAGE}.arm_cpu")
    elif f"{_PACKAGE}.x86" not in sys.modules:
        from tunedb.metaschedule import vnni

        vnni.register()
