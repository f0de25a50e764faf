"""What a user's Python file defines: a tensor program, a Relax module, a PyTorch module."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tunedb.errors import BadInputError, NotFoundError
from tunedb.identity import content_hash


def named(path: Path, attribute: str) -> Any:
    """A value of a Python file, or what it returns where it is a function.

    Args:
        path: The file.
        attribute: The name of the value.

    Raises:
        NotFoundError: There is no such file or name.
        BadInputError: The file's own code fails.
    """
    module = _imported(path)
    if not hasattr(module, attribute):
        raise NotFoundError(f"{path}: has no {attribute!r}")
    value = getattr(module, attribute)
    if is_program(value) or is_torch(value) or not callable(value):
        return value
    with _users_code(f"{path}:{attribute}()"):
        return value()


def is_program(value: Any) -> bool:
    """Whether a value is a PrimFunc or an IRModule."""
    import tvm

    return isinstance(value, tvm.IRModule | tvm.tirx.PrimFunc)


def is_network(value: Any) -> bool:
    """Whether a value is a module with Relax functions, or of PyTorch."""
    import tvm

    if not isinstance(value, tvm.IRModule):
        return is_torch(value)
    return any(isinstance(function, tvm.relax.Function) for _, function in value.functions_items())


def is_torch(value: Any) -> bool:
    """Whether a value is a PyTorch module; PyTorch is not imported for that."""
    return any(kind.__module__ == "torch.nn.modules.module" for kind in type(value).__mro__)


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
