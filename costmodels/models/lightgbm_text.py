"""The structure of LightGBM's text form, checked before its library reads it: the library believes what it is told.

A number too few there reads another array's memory, and a node that is its own ancestor is walked for ever. So the
text must be what LightGBM writes for a regressor, key by key, though how trees grew may be left out: as many numbers
as a tree has nodes, references that lead to later nodes and reach each node once, features that there are, and figures
that are finite.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.models.files import LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

_END = b"end of trees\n"
_HEADER = (
    ("tree", r""),
    ("version", r"v\d{1,3}"),
    ("num_class", r"1"),
    ("num_tree_per_iteration", r"1"),
    ("label_index", r"0"),
    ("max_feature_idx", r"\d{1,6}"),
    ("objective", r"regression|lambdarank"),
    ("feature_names", r"[!-~]+( [!-~]+)*"),
    ("feature_infos", r"[!-~]+( [!-~]+)*"),
    ("tree_sizes", r"\d{1,12}( \d{1,12})*"),
)
_KEYS = (
    b"num_leaves",
    b"num_cat",
    b"split_feature",
    b"split_gain",
    b"threshold",
    b"decision_type",
    b"left_child",
    b"right_child",
    b"leaf_value",
    b"leaf_weight",
    b"leaf_count",
    b"internal_value",
    b"internal_weight",
    b"internal_count",
    b"is_linear",
    b"shrinkage",
)
_SPARE = {b"split_gain", b"leaf_weight", b"leaf_count", b"internal_value", b"internal_weight", b"internal_count"}
"""What LightGBM writes of how a tree grew: nearly half of the text, and nothing that predictions need."""
_NEEDED = tuple(key for key in _KEYS if key not in _SPARE)
_OF_LEAVES = {b"leaf_value", b"leaf_weight", b"leaf_count"}
_SINGLE = {b"num_leaves": rb"[1-9]\d{0,5}", b"num_cat": rb"0", b"is_linear": rb"0", b"shrinkage": rb"[0-9.e+-]{1,30}"}
_NUMERIC = b"0123456789.e+- "
_DECISIONS = (0, 2, 4, 6, 8, 10)  # no categories; default to the left or not; missing: none, zero or NaN


def checked(content: bytes) -> str:
    """The part of a text that describes the trees: all that LightGBM needs to predict.

    Args:
        content: of the file.

    Returns:
        The text from its beginning to the end of the trees.

    Raises:
        ValueError: it is not what LightGBM writes for a regressor; the text says where.
    """
    head, separator, rest = content.partition(b"\n\n")
    num_features, sizes = _header(head)
    if not separator or not content.isascii():
        raise ValueError("not LightGBM's text form")
    trees: dict[bytes, list[bytes]] = {key: [] for key in _KEYS}
    start = 0
    for number, size in enumerate(sizes):
        _append(trees, rest[start : start + size], number)
        start += size
    if not rest.startswith(_END, start):
        raise ValueError("the trees do not end where tree_sizes says; is the file whole?")
    _check(trees, num_features)
    return (head + separator + rest[: start + len(_END)]).decode("ascii")


def thinned(content: bytes) -> bytes:
    """A text as small as it can be without predicting anything else: what `checked` keeps of it, less how trees grew.

    Args:
        content: what LightGBM wrote.

    Raises:
        ValueError: as `checked`.
    """
    head, _, rest = checked(content).encode().partition(b"\n\n")
    _, sizes = _header(head)
    trees = []
    start = 0
    for size in sizes:
        lines = rest[start : start + size].split(b"\n")
        trees.append(b"\n".join(line for line in lines if line.partition(b"=")[0] not in _SPARE))
        start += size
    begin, _, _ = head.rpartition(b"=")
    return b"%s=%s\n\n%s%s" % (begin, b" ".join(b"%d" % len(tree) for tree in trees), b"".join(trees), _END)


def _header(head: bytes) -> tuple[int, list[int]]:
    """How many features there are, and the length in bytes of each tree."""
    lines = head.decode("ascii", errors="replace").split("\n")
    found: dict[str, str] = {}
    for (key, pattern), line in itertools.zip_longest(_HEADER, lines, fillvalue=("", "")):
        name, _, value = str(line).partition("=")
        if name != key or not re.fullmatch(pattern, value):
            raise ValueError(f"{str(line)[:60]!r} where LightGBM writes {key or 'nothing'}")
        found[key] = value
    num_features = int(found["max_feature_idx"]) + 1
    for key in ("feature_names", "feature_infos"):
        if found[key].count(" ") + 1 != num_features:
            raise ValueError(f"{key} are not {num_features}, as max_feature_idx says")
    return num_features, [int(size) for size in found["tree_sizes"].split(" ")]


def _append(trees: dict[bytes, list[bytes]], text: bytes, number: int) -> None:
    """Takes a tree apart into its lines' values, each of as many numbers as its leaves say."""
    lines = text.split(b"\n")
    keys = _KEYS if len(lines) == len(_KEYS) + 4 else _NEEDED
    if lines[0] != b"Tree=%d" % number or len(lines) != len(keys) + 4 or any(lines[-3:]):
        raise ValueError(f"tree {number} does not lie where tree_sizes says")
    leaves = 0
    for key, line in zip(keys, lines[1:], strict=False):
        name, _, value = line.partition(b"=")
        if name != key or value.translate(None, _NUMERIC):
            raise ValueError(f"tree {number}: {line[:60]!r} where LightGBM writes {key.decode()}")
        if key in _SINGLE:
            if not re.fullmatch(_SINGLE[key], value):
                raise ValueError(f"tree {number}: {key.decode()} is {value[:60]!r}")
            leaves = int(value) if key == b"num_leaves" else leaves
        elif value or key == b"leaf_value":  # a leaf by itself has no weight
            wanted = leaves if key in _OF_LEAVES else leaves - 1
            if value.count(b" ") + 1 != wanted or not value:
                raise ValueError(f"tree {number}: {key.decode()} are not {wanted}, as num_leaves says")
        elif leaves > 1:
            raise ValueError(f"tree {number}: no {key.decode()}")
        trees[key].append(value)


def _check(trees: dict[bytes, list[bytes]], num_features: int) -> None:
    """Looks at the numbers of all trees at once."""
    leaves = _numbers(trees, b"num_leaves", np.int64)
    nodes = leaves - 1
    features, decisions = _numbers(trees, b"split_feature", np.int64), _numbers(trees, b"decision_type", np.int64)
    left, right = _numbers(trees, b"left_child", np.int64), _numbers(trees, b"right_child", np.int64)
    thresholds, values = _numbers(trees, b"threshold", np.float64), _numbers(trees, b"leaf_value", np.float64)
    shrinkage = _numbers(trees, b"shrinkage", np.float64)
    if {len(row) for row in (features, decisions, left, right, thresholds)} != {int(nodes.sum())}:
        raise ValueError("the trees have other numbers of nodes than num_leaves says")
    if len(values) != int(leaves.sum()) or len(shrinkage) != len(leaves):
        raise ValueError("the trees have other numbers of leaves than num_leaves says")
    if not ((features >= 0) & (features < num_features)).all():
        raise ValueError(f"a tree asks for a feature that is none of the {num_features}")
    if not np.isin(decisions, _DECISIONS).all():
        raise ValueError("a tree decides in a way that LightGBM does not")
    if not (np.isfinite(thresholds).all() and np.isfinite(values).all() and np.isfinite(shrinkage).all()):
        raise ValueError("a threshold or a leaf's value is not finite")
    _check_references(left, right, nodes)
    starts = np.concatenate([[0], np.cumsum(leaves)[:-1]])
    if not np.maximum.reduceat(np.abs(values), starts).sum() <= LARGEST:
        raise ValueError(f"the leaves' values add up to more than {LARGEST:,.0f}")


def _check_references(left: NDArray[np.int64], right: NDArray[np.int64], nodes: NDArray[np.int64]) -> None:
    """Each child stands behind its parent, and each node but the first and each leaf is the child of one node."""
    tree = np.repeat(np.arange(len(nodes)), nodes)
    first = np.concatenate([[0], np.cumsum(nodes)[:-1]])
    own = np.arange(len(left)) - first[tree]  # the number of each node within its tree
    for child in (left, right):
        if not np.where(child >= 0, (child > own) & (child < nodes[tree]), child >= -1 - nodes[tree]).all():
            raise ValueError("a tree's references lead back, or out of it")
    # Forward only, so there is no circle; as many references as there are to be: none doubled is none left out.
    children, of = np.concatenate([left, right]), np.concatenate([tree, tree])
    reached = 2 * first[of] + of + np.where(children >= 0, nodes[of] + children + 1, -1 - children)
    if np.bincount(reached, minlength=1).max() > 1:
        raise ValueError("a node of a tree has two parents")


def _numbers(trees: dict[bytes, list[bytes]], key: bytes, kind: Any) -> NDArray[Any]:
    """The numbers that stand under a key, of all trees."""
    text = b" ".join(value for value in trees[key] if value).decode("ascii")
    if not text:
        return np.empty(0, dtype=kind)
    try:
        found: NDArray[Any] = np.fromstring(text, dtype=kind, sep=" ")
    except ValueError as error:
        raise ValueError(f"{key.decode()} are not all numbers") from error
    if len(found) != text.count(" ") + 1:
        raise ValueError(f"{key.decode()} are not all numbers")
    return found
