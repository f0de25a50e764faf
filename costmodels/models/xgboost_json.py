"""The structure of XGBoost's JSON form, checked before its library reads it, which believes most of what it is told.

What the library then reads is what was checked, written anew: whatever else the file held is not in it.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
import numpy as np

from costmodels.models.files import LARGEST

_NO_PARENT = 2**31 - 1
_DEEPEST = 1000  # levels of a tree; the library goes through some by recursion

_Empty = Annotated[list[int], msgspec.Meta(max_length=0)]
_Nodes = Annotated[list[int], msgspec.Meta(min_length=1)]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has no fields but those that are listed."""


class _TreeParam(_Struct, frozen=True):
    num_deleted: str
    num_feature: str
    num_nodes: str
    size_leaf_vector: str


class _Tree(_Struct, frozen=True):
    base_weights: list[float]
    categories: _Empty
    categories_nodes: _Empty
    categories_segments: _Empty
    categories_sizes: _Empty
    default_left: _Nodes
    id: int
    left_children: _Nodes
    loss_changes: list[float]
    parents: _Nodes
    right_children: _Nodes
    split_conditions: list[float]
    split_indices: _Nodes
    split_type: _Nodes
    sum_hessian: list[float]
    tree_param: _TreeParam


class _Categories(_Struct, frozen=True):
    enc: _Empty
    feature_segments: _Empty
    sorted_idx: _Empty


class _ForestParam(_Struct, frozen=True):
    num_parallel_tree: str
    num_trees: str


class _Forest(_Struct, frozen=True):
    gbtree_model_param: _ForestParam
    iteration_indptr: list[int]
    tree_info: list[int]
    trees: list[_Tree]
    cats: _Categories | msgspec.UnsetType = msgspec.UNSET


class _Booster(_Struct, frozen=True):
    model: _Forest
    name: str


class _LearnerParam(_Struct, frozen=True):
    base_score: str
    boost_from_average: str
    num_class: str
    num_feature: str
    num_target: str


class _Objective(_Struct, frozen=True):
    name: str
    reg_loss_param: dict[str, str]


class _Learner(_Struct, frozen=True):
    attributes: Annotated[dict[str, str], msgspec.Meta(max_length=0)]
    feature_names: _Empty
    feature_types: _Empty
    gradient_booster: _Booster
    learner_model_param: _LearnerParam
    objective: _Objective


class _Model(_Struct, frozen=True):
    learner: _Learner
    version: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=999)]], msgspec.Meta(min_length=3, max_length=3)]


def checked(content: bytes) -> bytes:
    """A model in JSON that XGBoost may read.

    Args:
        content: of the file.

    Returns:
        The same model, written anew.

    Raises:
        ValueError: it is not what XGBoost writes for a regressor without categories; the text says where.
    """
    model = msgspec.json.decode(content, type=_Model)
    learner, forest = model.learner, model.learner.gradient_booster.model
    wanted = {
        "booster": (learner.gradient_booster.name, "gbtree"),
        "objective": (learner.objective.name, "reg:squarederror"),
        "reg_loss_param": (learner.objective.reg_loss_param, {"scale_pos_weight": "1"}),
        "num_class": (learner.learner_model_param.num_class, "0"),
        "num_target": (learner.learner_model_param.num_target, "1"),
        "num_parallel_tree": (forest.gbtree_model_param.num_parallel_tree, "1"),
        "num_trees": (forest.gbtree_model_param.num_trees, str(len(forest.trees))),
        "tree_info": (forest.tree_info, [0] * len(forest.trees)),
        "iteration_indptr": (forest.iteration_indptr, [*range(len(forest.trees) + 1)]),
    }
    for name, (found, meant) in wanted.items():
        if found != meant:
            raise ValueError(f"{name} is {str(found)[:60]}, where it should be {str(meant)[:60]}")
    if learner.learner_model_param.boost_from_average not in ("0", "1"):
        raise ValueError("boost_from_average is neither 0 nor 1")
    if not re.fullmatch(r"[0-9]{1,6}", learner.learner_model_param.num_feature):
        raise ValueError("num_feature is no number of features")
    base = learner.learner_model_param.base_score.removeprefix("[").removesuffix("]")
    largest = abs(float(base))
    for number, tree in enumerate(forest.trees):
        try:
            largest += _largest_leaf(tree, number, int(learner.learner_model_param.num_feature))
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from error
    if not largest <= LARGEST:
        raise ValueError(f"the leaves' values add up to more than {LARGEST:,.0f}")
    return msgspec.json.encode(model)


def _largest_leaf(tree: _Tree, number: int, num_features: int) -> float:
    """Checks a tree, and returns the largest value of its leaves, by amount."""
    size = len(tree.left_children)
    lists = {name: value for name in tree.__struct_fields__ if isinstance(value := getattr(tree, name), list) and value}
    wrong = [name for name, values in lists.items() if len(values) != size]
    param = tree.tree_param
    if wrong or param.num_nodes != str(size) or len(tree.split_conditions) != size:
        raise ValueError(f"{(wrong or ['num_nodes'])[0]} is not as long as left_children")
    if param.num_feature != str(num_features) or param.size_leaf_vector not in ("0", "1") or tree.id != number:
        raise ValueError("not of this model")
    if not re.fullmatch(r"[0-9]{1,9}", param.num_deleted):
        raise ValueError("num_deleted is no number")
    left, right, parents, features = (
        np.asarray(values, dtype=np.int64)
        for values in (tree.left_children, tree.right_children, tree.parents, tree.split_indices)
    )
    if any(tree.split_type) or not set(tree.default_left) <= {0, 1}:
        raise ValueError("it decides in a way that XGBoost does not")
    if min(left.min(), right.min()) < -1 or max(left.max(), right.max()) >= size or ((left < 0) != (right < 0)).any():
        raise ValueError("references lead out of it")
    if not ((features >= 0) & (features <= _NO_PARENT)).all() or parents[0] != _NO_PARENT:
        raise ValueError("a feature or a parent is none")
    reached = np.zeros(size, dtype=np.bool_)  # some nodes may be left from pruning, which nothing refers to
    level = np.zeros(1, dtype=np.int64)
    for _ in range(_DEEPEST):
        if reached[level].any() or len(np.unique(level)) != len(level):
            raise ValueError("references lead to a node twice")
        reached[level] = True
        inner = level[left[level] >= 0]
        if not len(inner):
            break
        if not (features[inner] < num_features).all():
            raise ValueError(f"it asks for a feature that is none of the {num_features}")
        if not ((parents[left[inner]] == inner).all() and (parents[right[inner]] == inner).all()):
            raise ValueError("children and parents disagree")
        level = np.concatenate([left[inner], right[inner]])
    else:
        raise ValueError(f"deeper than {_DEEPEST} levels")
    return float(np.abs(np.asarray(tree.split_conditions))[reached & (left < 0)].max())
