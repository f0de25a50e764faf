"""From what a user names to the tasks that can be tuned: an ONNX file, a Python function, a workload of the store."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.identity import content_hash
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.replay import load_module, target_to_tvm
from tunedb.records import Target, Trace
from tunedb.store.contract import Store


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One tensor program to be tuned."""

    name: str
    mod: Any  # tvm IRModule with one PrimFunc, "main"
    weight: float = 1.0  # how often a model runs it


def load_tasks(spec: str, store: Store | None, target: Target) -> list[Task]:
    """The tasks of what `spec` names.

    Args:
        spec: An ONNX file; `path.py:name`, a function that returns a PrimFunc or IRModule (or such a value itself);
            or a prefix of a workload's hash.
        store: The store that hashes are looked up in; None knows none.
        target: what models are lowered for.

    Raises:
        NotFoundError: no such file, name or workload.
        UsageError: the thing named is not one that can be tuned.
        BadInputError: the file cannot be read as what it seems to be.
    """
    path, _, attribute = spec.rpartition(":")
    if path.endswith(".py"):
        return _tasks_of_module(_from_python(Path(path), attribute), target, name=attribute)
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which function, such as {spec}:matmul")
    if spec.endswith(".onnx"):
        return _tasks_of_module(_from_onnx(Path(spec)), target)
    if store is None:
        raise NotFoundError(f"{spec}: neither an ONNX file nor path.py:name")
    return [_from_store(spec, store)]


def _from_store(prefix: str, store: Store) -> Task:
    summary = store.resolve_workload(prefix)
    problems = []
    for module in store.modules(summary.workload_id):
        try:
            probe(module, Trace(b"[]", b"[]"))  # it may be anybody's: a child process loads it first
            return Task(summary.name, load_module(module))
        except BadInputError as error:
            problems.append(str(error))
    why = "; ".join(problems) or "the store has no module of it"
    raise NotFoundError(f"workload {prefix} ({summary.name}) cannot be tuned here: {why}")


def _from_python(path: Path, attribute: str) -> Any:
    module = _imported(path)
    if not hasattr(module, attribute):
        raise NotFoundError(f"{path}: has no {attribute!r}")
    value = getattr(module, attribute)
    import tvm

    if isinstance(value, tvm.IRModule | tvm.tirx.PrimFunc):
        return value
    if not callable(value):
        raise UsageError(f"{path}:{attribute} is a {type(value).__name__}, not a function, PrimFunc or IRModule")
    with _users_code(f"{path}:{attribute}()"):
        made = value()
    if not isinstance(made, tvm.IRModule | tvm.tirx.PrimFunc):
        raise UsageError(f"{path}:{attribute}() returned a {type(made).__name__}, not a PrimFunc or IRModule")
    return made


def _imported(path: Path) -> ModuleType:
    """A user's file as a module. It takes no other's place, whatever it is called, and may import its neighbours."""
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    name = f"_tunedb_user_{content_hash(str(path.absolute()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInputError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # TVMScript looks its own source up by the module's name
    folder = str(path.absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # the last: a neighbour called json.py is not json
    with _users_code(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _users_code(what: str) -> Iterator[None]:
    """Makes a clear error of whatever a user's code raises, `sys.exit` included."""
    try:
        yield
    except SystemExit as error:
        raise BadInputError(f"{what} calls sys.exit({error.code!r})") from error
    except Exception as error:
        raise BadInputError(f"{what}: {type(error).__name__}: {error}") from error


def _from_onnx(path: Path) -> Any:
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    import onnx
    from tvm.relax.frontend.onnx import from_onnx

    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:
        raise BadInputError(f"{path}: not a valid ONNX model: {str(error).strip().splitlines()[0]}") from error
    try:
        return from_onnx(model, keep_params_in_input=False)
    except Exception as error:
        raise BadInputError(f"{path}: TVM cannot import this model: {str(error).strip().splitlines()[-1]}") from error


def _tasks_of_module(value: Any, target: Target, name: str = "") -> list[Task]:
    import tvm
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    if isinstance(value, tvm.tirx.PrimFunc):
        return [Task(name, _normalize_mod(value.with_attr("global_symbol", "main")))]
    if not any(isinstance(function, tvm.relax.Function) for _, function in value.functions_items()):
        functions = [(gv.name_hint, f) for gv, f in value.functions_items() if isinstance(f, tvm.tirx.PrimFunc)]
        return [Task(name, _normalize_mod(f.with_attr("global_symbol", "main"))) for name, f in sorted(functions)]
    intrinsics.register_for(target.kind, target.keys)
    with target_to_tvm(target):
        passes = [
            tvm.relax.transform.DecomposeOpsForInference(),
            tvm.relax.transform.CanonicalizeBindings(),
            tvm.relax.get_pipeline("zero"),
        ]
        lowered = tvm.ir.transform.Sequential(passes)(value)
        extracted = ms.relax_integration.extract_tasks(lowered, target_to_tvm(target))
    tasks = [Task(str(task.task_name), _normalize_mod(task.dispatched[0]), float(task.weight)) for task in extracted]
    if not tasks:
        raise BadInputError("the model has nothing to tune: no tensor program came out of it")
    return tasks
