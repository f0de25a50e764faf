import subprocess
import sys

import pytest

import costmodels
import search
import tunedb
from tunedb.lazy import imported_late


def test_names_are_imported_when_asked_for():
    get = imported_late("a_package", {"OrderedDict": "collections"})
    assert get("OrderedDict").__module__ == "collections"
    with pytest.raises(AttributeError, match="module 'a_package' has no attribute 'missing'"):
        get("missing")


@pytest.mark.parametrize("package", [tunedb, costmodels, search])
def test_every_public_name_is_there(package):
    assert all(hasattr(package, name) for name in package.__all__)
    assert not hasattr(package, "missing")


def test_importing_the_packages_imports_nothing_heavy():
    heavy = {"tvm", "numpy", "pyarrow", "deltalake", "duckdb", "lightgbm", "xgboost"}
    script = f"import sys, tunedb, costmodels, search; print(*({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
