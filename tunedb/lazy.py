"""Names of a package that are imported when first asked for, so that importing the package stays cheap."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def imported_late(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """What a package assigns to its `__getattr__` (PEP 562) to import some of its names late.

    Type checkers do not see these names: the package imports them under `TYPE_CHECKING` too.

    Args:
        package: the package's `__name__`.
        modules: the full name of the module that has it, by the name that is asked for.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return get
