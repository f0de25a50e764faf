"""From what a user names to the tasks that can be tuned: an ONNX file, a Python function, a workload of the store."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from search.networks.importing import Shapes, import_file, is_network_file
from search.networks.importing.relax_module import network_of_relax
from search.networks.layout import lower_best
from search.task import Task
from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.identity import content_hash
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.replay import load_module
from tunedb.records import Target, Trace
from tunedb.store.contract import Store


def load_tasks(spec: str, store: Store | None, target: Target, shapes: Shapes | None = None) -> list[Task]:
    """The tasks of what `spec` names.

    Args:
        spec: An ONNX file; `path.py:name`, a function that returns a PrimFunc or IRModule (or such a value itself);
            or a prefix of a workload's hash.
        store: The store that hashes are looked up in; None knows none.
        target: what models are lowered for.
        shapes: Of a model's inputs by name, in place of those that it says.

    Raises:
        NotFoundError: no such file, name or workload.
        UsageError: the thing named is not one that can be tuned.
        BadInputError: the file cannot be read as what it seems to be.
    """
    path, _, attribute = spec.rpartition(":")
    if path.endswith(".py"):
        return _tasks_of_module(_from_python(Path(path), attribute), target, Path(path), attribute)
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which function, such as {spec}:matmul")
    if is_network_file(spec):
        return list(lower_best(import_file(Path(spec), shapes), target).tasks)
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


def _tasks_of_module(value: Any, target: Target, path: Path, name: str) -> list[Task]:
    import tvm
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    if isinstance(value, tvm.tirx.PrimFunc):
        return [Task(name, _normalize_mod(value.with_attr("global_symbol", "main")))]
    if not any(isinstance(function, tvm.relax.Function) for _, function in value.functions_items()):
        functions = [(gv.name_hint, f) for gv, f in value.functions_items() if isinstance(f, tvm.tirx.PrimFunc)]
        return [Task(name, _normalize_mod(f.with_attr("global_symbol", "main"))) for name, f in sorted(functions)]
    return list(lower_best(network_of_relax(value, path.stem, path), target).tasks)
