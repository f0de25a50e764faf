"""Networks: imported, tuned, compiled to a library, and run.

from search import networks

with tunedb.open_store("store") as store:
networks.tune("model.onnx", 200, store=store)
networks.compile("model.onnx", "model.so", store=store)
outputs = networks.Library("model.so").run({"input": array})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunedb.lazy import imported_late

if TYPE_CHECKING:
    from search.networks.api import compile, tune
    from search.networks.compiling import Compiled, CompileOptions
    from search.networks.importing import import_network
    from search.networks.network import Network
    from search.networks.runtime import Library

__all__ = ["CompileOptions", "Compiled", "Library", "Network", "compile", "import_network", "tune"]

__getattr__ = imported_late(  # a library is run without TVM's compiler
    __name__,
    {
        "CompileOptions": "search.networks.compiling",
        "Compiled": "search.networks.compiling",
        "Library": "search.networks.runtime",
        "Network": "search.networks.network",
        "compile": "search.networks.api",
        "import_network": "search.networks.importing",
        "tune": "search.networks.api",
    },
)
