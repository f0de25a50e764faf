"""From what a user names to the tasks that can be tuned: an ONNX file, a Python function, a workload of the store."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.networks.importing import Arrays, Shapes, import_file, is_network_file, network_of
from search.networks.importing.python_file import is_network, is_program, named
from search.networks.layout import lower_best
from search.networks.network import Network
from search.task import Task
from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.replay import load_module, workload_from_module
from tunedb.records import Target, Trace
from tunedb.store.contract import Store


def load_tasks(
    spec: str, store: Store | None, target: Target, shapes: Shapes | None = None, example: Arrays | None = None
) -> list[Task]:
    """The tasks of what `spec` names.

    Args:
        spec: An ONNX file or an exported program of PyTorch; `path.py:name`, a PrimFunc, an IRModule or a PyTorch
            module, or a function that returns one; or a prefix of a workload's hash.
        store: The store that hashes are looked up in; None knows none.
        target: what models are lowered for.
        shapes: Of a model's inputs by name, in place of those that it says.
        example: Arguments of a PyTorch module by name.

    Raises:
        NotFoundError: no such file, name or workload.
        UsageError: the thing named is not one that can be tuned.
        BadInputError: the file cannot be read as what it seems to be.
    """
    path, _, attribute = spec.rpartition(":")
    if path.endswith(".py"):
        value = named(Path(path), attribute)
        if is_network(value):
            return tasks_of(network_of(value, attribute, Path(path), shapes, example), target)
        if not is_program(value):
            raise UsageError(f"{spec} is a {type(value).__name__}, not a PrimFunc, IRModule or PyTorch module")
        return _tasks_of_programs(value, attribute)
    if spec.endswith(".py"):
        raise UsageError(f"{spec}: say which function, such as {spec}:matmul")
    if is_network_file(spec):
        return tasks_of(import_file(Path(spec), shapes), target)
    if store is None:
        raise NotFoundError(f"{spec}: neither a file with a network nor path.py:name")
    return [_from_store(spec, store)]


def joined(tasks: Mapping[str, Sequence[Task]]) -> list[Task]:
    """The tasks of one network in several shapes: those that are the same are one, called as often as all of them.

    Args:
        tasks: Those of each, by what tells it apart from the others.
    """
    found: dict[str, Task] = {}
    names: set[str] = set()
    for label, its in tasks.items():
        for task in its:
            workload_id = workload_from_module(task.mod)[0].workload_id
            known = found.get(workload_id)
            if known is not None:
                found[workload_id] = replace(known, weight=known.weight + task.weight)
                continue
            name = task.name if task.name not in names else f"{task.name}@{label}"
            names.add(name)
            found[workload_id] = replace(task, name=name)
    return list(found.values())


def chosen_tasks(tasks: Sequence[Task], only: Sequence[str], skip: Sequence[str]) -> list[Task]:
    """Tasks by their names.

    Args:
        tasks: All tasks.
        only: Patterns as in a shell, of which a name must match one; none allows all.
        skip: Patterns of which it may match none.

    Raises:
        UsageError: A pattern matches nothing, or nothing is left.
    """
    names = [task.name for task in tasks]
    for pattern in (*only, *skip):
        if not fnmatch.filter(names, pattern):
            raise UsageError(f"no task is called {pattern}; they are {', '.join(names)}")
    kept = [
        task
        for task in tasks
        if (not only or any(fnmatch.fnmatchcase(task.name, pattern) for pattern in only))
        and not any(fnmatch.fnmatchcase(task.name, pattern) for pattern in skip)
    ]
    if not kept:
        raise UsageError("no task is left: all are skipped")
    return kept


def tasks_of(network: Network, target: Target) -> list[Task]:
    """The tasks of a network.

    Raises:
        BadInputError: TVM cannot lower it, or it has none.
    """
    tasks = list(lower_best(network, target).tasks)
    if not tasks:
        raise BadInputError(f"{network.path}: the network has nothing to tune: no tensor program came out of it")
    return tasks


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


def _tasks_of_programs(value: Any, name: str) -> list[Task]:
    import tvm
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    if isinstance(value, tvm.tirx.PrimFunc):
        return [Task(name, _normalize_mod(value.with_attr("global_symbol", "main")))]
    functions = [(gv.name_hint, f) for gv, f in value.functions_items() if isinstance(f, tvm.tirx.PrimFunc)]
    return [Task(name, _normalize_mod(f.with_attr("global_symbol", "main"))) for name, f in sorted(functions)]
