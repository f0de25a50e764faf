"""LightGBM's trees from their text form, asked through the C interface of LightGBM's library.

`import lightgbm` brings scikit-learn, SciPy and pandas with it, about a second of a core, for which a tuning run
would wait before its first measurement. To predict, the library alone is enough. Training imports the package.

The interface: https://lightgbm.readthedocs.io/en/latest/C-API.html.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.models import lightgbm_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT64, _NORMAL = 1, 0  # of the library's C_API_DTYPE_* and C_API_PREDICT_*
_PARAMETERS = b"num_threads=1"
_LIBRARY = "lib_lightgbm.so"


class Booster:
    """A regressor that LightGBM wrote as text.

    Args:
        content: LightGBM's text form; what it says of the trees is checked before LightGBM's library sees it.

    Raises:
        ValueError: it is no such text.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._trees = lightgbm_text.checked(content)
        self._library = _library()
        self._handle = ctypes.c_void_p()
        trees, features = ctypes.c_int(), ctypes.c_int()
        self._call(
            "LGBM_BoosterLoadModelFromString", self._trees.encode(), ctypes.byref(trees), ctypes.byref(self._handle)
        )
        weakref.finalize(self, self._library.LGBM_BoosterFree, self._handle)
        self._call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(features))
        self._num_features = features.value

    def predict(self, features: NDArray[np.float64], **_: Any) -> NDArray[np.float64]:
        """What the trees predict [n] for features [n, d]; on one thread.

        Raises:
            ValueError: d is another number than that of `num_feature`.
        """
        rows = np.ascontiguousarray(features, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self._num_features:
            raise ValueError(f"the trees want features [n, {self._num_features}], not {list(rows.shape)}")
        found, number = np.empty(len(rows)), ctypes.c_int64()
        self._call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            rows.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(len(rows)),
            ctypes.c_int32(rows.shape[1]),
            ctypes.c_int(1),  # row by row
            ctypes.c_int(_NORMAL),
            ctypes.c_int(0),  # the first tree ...
            ctypes.c_int(-1),  # ... to the last
            ctypes.c_char_p(_PARAMETERS),
            ctypes.byref(number),
            found.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        return found

    def num_feature(self) -> int:
        """How many features it wants."""
        return self._num_features

    def model_to_string(self) -> str:
        """Its text form."""
        return self._content.decode(errors="replace")

    def for_training(self) -> Any:
        """The same as a `lightgbm.Booster`."""
        import lightgbm

        return lightgbm.Booster(model_str=self._trees)

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments) != 0:
            raise ValueError(self._library.LGBM_GetLastError().decode(errors="replace"))


@functools.cache
def _library() -> Any:
    """LightGBM's library, without its Python package.

    Raises:
        ImportError: it is not installed.
    """
    found = importlib.util.find_spec("lightgbm")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        path = Path(folder) / "lib" / _LIBRARY
        if path.is_file():
            library = ctypes.CDLL(str(path))
            library.LGBM_GetLastError.restype = ctypes.c_char_p
            return library
    raise ImportError(f"LightGBM's {_LIBRARY} is not installed", name="lightgbm")
