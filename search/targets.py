"""What to generate code for: this machine's CPU, or what the user wrote."""

from __future__ import annotations

import os
from typing import Any

from tunedb.errors import UsageError
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
    """A target from JSON (`{"kind": "llvm", "mcpu": "znver5", "num-cores": 8}`) or from one of TVM's tags.

    Raises:
        UsageError: neither; TVM 0.27 takes no command-line style strings ("llvm -mcpu=...").
    """
    import json

    import tvm

    try:
        spec: Any = json.loads(text) if text.lstrip().startswith("{") else text
        if isinstance(spec, str) and " " in spec:
            raise UsageError(f'target {text!r}: write options as JSON, such as {{"kind": "llvm", "mcpu": "znver5"}}')
        return canonical_target(str(tvm.target.Target(spec)))
    except UsageError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise UsageError(f"target {text!r} is neither a TVM tag nor a valid target in JSON: {reason}") from error


def to_tvm(target: Target) -> Any:
    """The TVM target of one of ours."""
    import json

    import tvm

    return tvm.target.Target(json.loads(target.text))
