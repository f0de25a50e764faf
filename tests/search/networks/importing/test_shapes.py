import pytest

from search.networks.importing.shapes import parse_shapes
from tunedb.errors import UsageError


def test_shapes_are_read() -> None:
    shapes = {"x": (1, 3, 224, 224), "a=b": (2,), "y": (1, 8)}
    assert parse_shapes(["x=1x3x224x224", "a=b=2", "y=[1,8]"]) == {"": shapes}
    assert parse_shapes([]) == {"": {}}


def test_several_shapes_of_an_input_are_several_networks() -> None:
    assert parse_shapes(["x=1x8", "y=3", "x=4x8"]) == {
        "1x8": {"x": (1, 8), "y": (3,)},
        "4x8": {"x": (4, 8), "y": (3,)},
    }
    assert [*parse_shapes(["x=1", "y=2", "x=3", "y=4"])] == ["1-2", "3-4"]


@pytest.mark.parametrize("text", ["1x3", "x=", "=1x3", "x=1x", "x=1x-3", "x=axb"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the shape of an input"):
        parse_shapes([text])


def test_shapes_must_go_together() -> None:
    with pytest.raises(UsageError, match="given twice"):
        parse_shapes(["x=1", "x=1"])
    with pytest.raises(UsageError, match="2 of x, 3 of y"):
        parse_shapes(["x=1", "x=2", "y=1", "y=2", "y=3"])
