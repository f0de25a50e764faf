"""Numbers that describe a candidate; one file per family of features. None imports TVM before it extracts."""

from __future__ import annotations

from costmodels.features import loop_nest, machine_code, per_store, trace, workload
from costmodels.features.family import Family, Needs
from tunedb.errors import UsageError

__all__ = ["FAMILIES", "Family", "Needs", "family"]

FAMILIES: dict[str, Family] = {
    "loop_nest": loop_nest,
    "per_store": per_store,
    "machine_code": machine_code,
    "trace": trace,
    "workload": workload,
}


def family(version: str) -> Family:
    """Finds the family of a feature version.

    Raises:
        UsageError: this release computes no such features.
    """
    for found in FAMILIES.values():
        if version == found.FEATURE_VERSION:
            return found
    raise UsageError(f"no features {version!r}: there are {', '.join(f.FEATURE_VERSION for f in FAMILIES.values())}")
