"""Networks of PyTorch, where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.networks.importing import import_network
from search.networks.network import Network
from search.networks.reference import deviation
from tunedb.errors import BadInputError, UsageError

pytestmark = pytest.mark.tvm

torch: Any = pytest.importorskip("torch")

MODULES = """
import torch

class Last(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]

class Normed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 1.5)

    def forward(self, image, scale):
        return torch.relu(self.norm(self.conv(image))) * scale

def last():
    torch.manual_seed(0)
    return Last()

def normed():
    torch.manual_seed(0)
    return Normed()
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(MODULES)
    return path


def compared(network: Network) -> float:
    """How far what is imported deviates from PyTorch."""
    import tvm

    rng = np.random.default_rng(0)
    inputs = {spec.name: rng.normal(size=spec.shape).astype(spec.dtype) for spec in network.inputs}
    machine = tvm.relax.VirtualMachine(tvm.compile(network.mod, target="llvm"), tvm.cpu())
    found = machine["main"](*(tvm.runtime.tensor(inputs[spec.name]) for spec in network.inputs)).numpy()
    assert network.run_original is not None
    return deviation(found, network.run_original(inputs)[0])


def test_an_index_from_the_end_is_right(modules: Path) -> None:
    assert compared(import_network(f"{modules}:last", {"x": (2, 5, 3)})) < 1e-6


def test_a_module_of_several_arguments(modules: Path) -> None:
    example = {"image": np.zeros((1, 3, 8, 8), np.float32), "scale": np.zeros((1,), np.float32)}
    assert compared(import_network(f"{modules}:normed", example=example)) < 1e-6


def test_an_exported_program(modules: Path, tmp_path: Path) -> None:
    from search.networks.importing.python_file import named

    path = tmp_path / "normed.pt2"
    arguments = (torch.zeros(1, 3, 8, 8), torch.zeros(1))
    torch.export.save(torch.export.export(named(modules, "normed").eval(), arguments), str(path))
    assert compared(import_network(str(path))) < 1e-6
    with pytest.raises(UsageError, match="shapes of an exported program are fixed"):
        import_network(str(path), {"image": (2, 3, 8, 8)})


def test_what_is_wrong_is_said(modules: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --shape"):
        import_network(f"{modules}:last")
    with pytest.raises(BadInputError, match=r"torch\.export cannot export it"):
        import_network(f"{modules}:last", {"y": (2, 5, 3)})
    (tmp_path / "garbage.pt2").write_bytes(b"garbage")
    with pytest.raises(BadInputError, match=r"not a program that torch\.export\.save wrote"):
        import_network(str(tmp_path / "garbage.pt2"))
