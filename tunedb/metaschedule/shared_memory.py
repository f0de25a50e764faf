"""Code generation for tensor cores that keeps buffers of different types in shared memory apart.

TVM's storage rewriting lets a buffer lie where another has lain before. In shared memory that is sized at launch it
does so across types (a float16 tile where float32 results were), and a later pass refuses what comes of it: no product
of float16 that is summed in float32 could be built. Without that pass such buffers are laid out by another one, which
knows their types. TVM is imported late.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

_DYNAMIC = "shared.dyn"
_OPTION = "tirx.disable_storage_rewrite"


def laid_out_apart(mod: Any) -> AbstractContextManager[Any]:
    """What a module is to be built in.

    Args:
        mod: The scheduled module.
    """
    from tvm.ir import save_json
    from tvm.ir.transform import PassContext

    if _DYNAMIC not in save_json(mod):
        return nullcontext()
    current = PassContext.current()
    apart: AbstractContextManager[Any] = PassContext(
        opt_level=current.opt_level,
        required_pass=list(current.required_pass),
        disabled_pass=list(current.disabled_pass),
        instruments=list(current.instruments),
        config={**dict(current.config.items()), _OPTION: True},
    )
    return apart
