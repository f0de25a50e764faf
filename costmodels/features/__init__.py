"""Numbers that describe a candidate; one file per family of features. None imports TVM before it extracts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from costmodels.features import loop_nest, machine_code, per_store, trace, workload
from tunedb.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Family(Protocol):
    """What each module of features offers."""

    FEATURE_VERSION: str
    """Changes whenever `extract` gives other numbers; begins with the family's name."""

    def names(self) -> tuple[str, ...]:
        """Names of the columns of `extract`, in order."""

    def extract(self, schedules: Sequence[Any], context: Any) -> NDArray[Any]:
        """Features [n, d] of n scheduled candidates on the target of a `TuneContext`; NaN rows for what has none."""


FAMILIES: dict[str, Family] = {
    "loop_nest": loop_nest,
    "per_store": per_store,
    "machine_code": machine_code,
    "trace": trace,
    "workload": workload,
}
DEFAULT = FAMILIES["loop_nest"]
"""What models learn from and the search asks them about."""


def family(version: str) -> Family:
    """The family of a feature version. Raises: UsageError: this release computes no such features."""
    for found in FAMILIES.values():
        if version == found.FEATURE_VERSION:
            return found
    raise UsageError(f"no features {version!r}: there are {', '.join(f.FEATURE_VERSION for f in FAMILIES.values())}")
