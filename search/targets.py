"""What to generate code for: this machine's CPU, or what the user wrote."""

from __future__ import annotations

import os
from typing import Any

from tunedb.errors import BadInputError, UsageError
from tunedb.identity import canonical_target
from tunedb.records import Target


def local_target(num_cores: int | None = None) -> Target:
    """This machine's CPU as LLVM names it, with the number of cores that this process may use."""
    import tvm
    from tvm.target.codegen import llvm_get_system_cpu

    keys = [str(key) for key in tvm.target.Target.from_device(tvm.cpu()).keys]
    text: dict[str, Any] = {
        "kind": "llvm",
        "keys": keys,
        "mcpu": str(llvm_get_system_cpu()),
        "num-cores": num_cores or len(os.sched_getaffinity(0)),
    }
    return canonical_target(text)


def parse_target(text: str) -> Target:
    """A target as a person types it: as JSON, as one of TVM's tags, or as logs have it ("llvm -mcpu=znver5").

    Raises:
        UsageError: it is none of these, or the installed TVM generates no code for it.
    """
    from tunedb.metaschedule.replay import target_from_tvm
    from tunedb.metaschedule.target_check import check_target

    try:
        written = canonical_target(text)
    except BadInputError as error:
        raise UsageError(str(error)) from error
    return target_from_tvm(check_target(written).text)
