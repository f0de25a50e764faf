import pytest

from search.networks.importing.shapes import parse_shapes
from tunedb.errors import UsageError


def test_shapes_are_read() -> None:
    assert parse_shapes(["x=1x3x224x224", "a=b=2", "y=[1,8]"]) == {"x": (1, 3, 224, 224), "a=b": (2,), "y": (1, 8)}


@pytest.mark.parametrize("text", ["1x3", "x=", "=1x3", "x=1x", "x=1x-3", "x=axb"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the shape of an input"):
        parse_shapes([text])


def test_one_shape_an_input() -> None:
    with pytest.raises(UsageError, match="given twice"):
        parse_shapes(["x=1", "x=2"])
