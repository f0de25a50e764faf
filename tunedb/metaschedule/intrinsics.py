"""TVM's tensor intrinsics, of which only those are imported that a target can use.

`tvm.s_tir.tensor_intrin` registers the intrinsics of every backend, which takes 10 to 18 CPU seconds, and
`TuneContext` imports it, in each build worker too. A stand-in module whose `__path__` is the real folder lets the
few that a target needs be imported alone. CPU targets need one small file. CUDA's file registers ninety, of which
MetaSchedule's rules ask for twenty-six: the file is run without its registrations, and each of them when it is needed.

This module imports TVM late; call it before any `TuneContext` is made.
"""

from __future__ import annotations

import ast
import importlib
import linecache
import sys
import threading
import types
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

_PACKAGE = "tvm.s_tir.tensor_intrin"
_CUDA = f"{_PACKAGE}.cuda"
_CPUS, _GROUPS = ("llvm", "c"), ("get_wmma_intrin_group", "get_mma_intrin_group")
_LOCK = threading.RLock()

# What MetaSchedule's rules for tensor cores name: fragments of 16x16x16 (wmma), and of 16x8x8 (mma).
_OPERANDS = (("f16", "f16"), ("f16", "f32"), ("s8", "s32"))
_TENSOR_CORE = (
    *(f"wmma_fill_16x16x16_{to}" for _, to in _OPERANDS),
    *(f"wmma_store_16x16x16_{to}_shared_dyn" for _, to in _OPERANDS),
    *(f"wmma_load_16x16x16_{of}_{side}_shared_dyn" for of in ("f16", "s8") for side in ("a", "b", "b_trans")),
    *(f"wmma_sync_16x16x16_{of}{of}{to}{order}" for of, to in _OPERANDS for order in ("", "_trans")),
    *(f"mma_load_m16n8k8_f16_{side}_shared_dyn" for side in "AB"),
    *(
        f"mma_{step}_m16n8k8_{to}{where}"
        for to in ("f16", "f32")
        for step, where in (("init", ""), ("store", "_global"))
    ),
    *(f"mma_sync_m16n8k8_f16f16{to}" for to in ("f16", "f32")),
)


def register_for(target_kind: str, target_keys: tuple[str, ...] = ("cpu",)) -> None:
    """Registers the tensor intrinsics for a kind of target; does nothing the second time.

    Args:
        target_kind: the kind of the target by TVM's name, such as "llvm" or "cuda".
        target_keys: the keys of the target; "arm_cpu" selects the Arm intrinsics.
    """
    with _LOCK:
        if target_kind == "cuda":
            _register_of_cuda(_TENSOR_CORE)
        elif target_kind in _CPUS:
            _stand_in()
            if "arm_cpu" in target_keys:
                importlib.import_module(f"{_PACKAGE}.arm_cpu")
            elif f"{_PACKAGE}.x86" not in sys.modules:
                from tunedb.metaschedule import vnni

                vnni.register()
        else:
            stand_in = sys.modules.get(_PACKAGE)
            if stand_in is not None and getattr(stand_in, "__spec__", None) is None:
                if _CUDA in sys.modules:  # it will not be imported again: it gets all that is its
                    _register_of_cuda(_registrations())
                del sys.modules[_PACKAGE]
            importlib.import_module(_PACKAGE)


def register_named(names: Iterable[str]) -> None:
    """Registers the tensor intrinsics that a trace names, whatever backend has them; unknown names do nothing.

    Args:
        names: names of intrinsics, as `Schedule.tensorize` takes them.
    """
    from tvm.s_tir import TensorIntrin

    with _LOCK:
        wanted = list(names)
        _register_of_cuda(name for name in wanted if name in _registrations())
        for keys in (("cpu",), ("arm_cpu", "cpu")):
            if any(TensorIntrin.get(name, allow_missing=True) is None for name in wanted):
                register_for("llvm", keys)


def _folder() -> Path:
    import tvm.s_tir

    return Path(tvm.s_tir.__file__).parent / "tensor_intrin"


def _stand_in() -> types.ModuleType:
    if _PACKAGE not in sys.modules:
        stand_in = types.ModuleType(_PACKAGE)
        stand_in.__path__ = [str(_folder())]
        sys.modules[_PACKAGE] = stand_in
    return sys.modules[_PACKAGE]


@lru_cache(maxsize=1)
def _parts() -> tuple[ast.Module, dict[str, ast.Module]]:
    """TVM's file of CUDA's intrinsics without its registrations, and each of these by the name that it registers."""
    tree = ast.parse((_folder() / "cuda.py").read_text(encoding="utf-8"))
    texts: dict[str, str] = {}
    found: dict[str, ast.Module] = {}
    rest: list[ast.stmt] = []
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                texts[name] = text
                rest.append(statement)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="register"), args=[first, *_])):
                named = first.value if isinstance(first, ast.Constant) else texts[ast.unparse(first)]
                found[str(named)] = ast.Module([statement], [])
            case _:
                rest.append(statement)
    return ast.Module(rest, []), found


def _registrations() -> Mapping[str, ast.Module]:
    return _parts()[1]


def _cuda_module() -> types.ModuleType | None:
    """CUDA's intrinsics, of which none is registered yet; None where TVM has imported, and registered, all of them."""
    package = _stand_in()
    module = sys.modules.get(_CUDA)
    if module is None:
        path = str(_folder() / "cuda.py")
        module = types.ModuleType(_CUDA)
        module.__file__, module.__package__ = path, _PACKAGE
        module.__dict__["_registered_here"] = set()
        sys.modules[_CUDA] = module
        linecache.checkcache(path)  # TVMScript reads the source of what it parses
        exec(compile(_parts()[0], path, "exec"), module.__dict__)  # noqa: S102  # TVM's own file
        for name in _GROUPS:  # whose callers expect that what they are given is registered
            module.__dict__[name] = _registering(module.__dict__[name])
        package.__dict__["cuda"] = module
    return module if "_registered_here" in module.__dict__ else None


def _registering(group: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives names of intrinsics by their roles, and registers them."""

    @wraps(group)
    def registered(*args: Any, **kwargs: Any) -> Any:
        found = group(*args, **kwargs)
        with _LOCK:
            _register_of_cuda(str(name) for name in found.values() if str(name) in _registrations())
        return found

    return registered


def _register_of_cuda(names: Iterable[str]) -> None:
    module = _cuda_module()
    if module is None:
        return
    done: set[str] = module.__dict__["_registered_here"]
    for name in names:
        if name not in done:
            code = compile(_registrations()[name], str(module.__file__), "exec")
            exec(code, module.__dict__)  # noqa: S102  # TVM's own file
            done.add(name)
