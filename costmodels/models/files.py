"""Reading the files of models, which may come from anywhere: what is wrong with one is said with its name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tunedb.errors import ModelError

LARGEST = 1e6
"""No figure of a model is larger: costs are logarithms in nats, and scores lie between 0 and 1."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Names the file in what goes wrong while it is read.

    Raises:
        ModelError: it is missing, is not text, or does not say what it should.
    """
    try:
        yield
    except ModelError:
        raise
    except KeyError as error:
        raise ModelError(f"{name} is missing") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{name}: byte {error.start} is not text in UTF-8; is the file whole?") from error
    except RecursionError as error:
        raise ModelError(f"{name}: nested too deeply") from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"{name}: {error}") from error


def check_bounded(figures: Iterable[float], what: str) -> None:
    """Checks that figures are such as models have.

    Raises:
        ValueError: one is not finite, or larger than `LARGEST`.
    """
    if not all(math.isfinite(figure) and abs(figure) <= LARGEST for figure in figures):
        raise ValueError(f"{what} holds a figure that is not finite, or larger than {LARGEST:,.0f}")


def check_positive(figures: Iterable[float], what: str) -> None:
    """Checks that figures are such as deviations are.

    Raises:
        ValueError: one is not finite, not positive, or larger than `LARGEST`.
    """
    if not all(0.0 < figure <= LARGEST for figure in figures):
        raise ValueError(f"{what} holds a figure that is not above 0 and at most {LARGEST:,.0f}")
