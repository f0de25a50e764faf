"""Files of models that were changed: each is refused with its name, or predicts something finite."""

import json
import random
import re

import numpy as np
import pytest

from costmodels import features
from costmodels.models import KINDS
from costmodels.models.gaussian_process import GaussianProcessModel
from costmodels.models.lambdarank import LambdaRankModel
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.ridge import RidgeModel
from costmodels.models.roofline import RooflineModel
from costmodels.models.two_stage import TwoStageModel
from costmodels.models.untrained import FlopModel, RandomModel
from costmodels.models.xgboost import XGBoostModel
from tunedb.errors import ModelError

WIDTH = len(features.loop_nest.names())
ROWS = np.random.default_rng(3).uniform(-1, 30, size=(16, WIDTH))
SMALL = {
    "two-stage": lambda: TwoStageModel(LightGBMModel(num_trees=3, num_leaves=5, members=2)),
    "lightgbm": lambda: LightGBMModel(num_trees=3, num_leaves=5, members=2),
    "lambdarank": lambda: LambdaRankModel(num_trees=3, num_leaves=5, members=2),
    "xgboost": lambda: XGBoostModel(num_trees=3, max_depth=3, members=2),
    "gaussian-process": lambda: GaussianProcessModel(max_trials=8),
    "ridge": lambda: RidgeModel(members=2),
    "roofline": RooflineModel,
    "flop": FlopModel,
    "random": RandomModel,
}
FLIPS = 400  # of each kind


@pytest.fixture(scope="module")
def saved(make_made_up_dataset):
    """The files of a small model of each kind."""
    dataset = make_made_up_dataset(groups=2, size=40)
    made = {}
    for kind, make in SMALL.items():
        model = make()
        model.fit(dataset, seed=0)
        made[kind] = model.save()
    return made


def refused_or_finite(kind, files):
    """Whether the files are refused; if they are not, predictions are looked at."""
    try:
        model = KINDS[kind].load(files)
        predicted = model.predict(ROWS)
    except ModelError:
        return True
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.std).all()
    assert (predicted.std > 0).all()
    return False


def test_every_kind_is_here():
    assert SMALL.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", SMALL)
def test_what_was_saved_is_read(saved, kind):
    assert not refused_or_finite(kind, saved[kind])


@pytest.mark.parametrize("kind", SMALL)
def test_a_flipped_bit_is_refused_or_harmless(saved, kind):
    rng = random.Random(kind)
    refused = 0
    for _ in range(FLIPS):
        name = rng.choice(sorted(saved[kind]))
        content = bytearray(saved[kind][name])
        # Where LightGBM's trees end, parameters of their training follow, which nobody reads.
        end = content.find(b"end of trees")
        content[rng.randrange(end if end > 0 else len(content))] ^= 1 << rng.randrange(8)
        refused += refused_or_finite(kind, {**saved[kind], name: bytes(content)})
    assert refused > FLIPS / 10


@pytest.mark.parametrize("kind", SMALL)
def test_numbers_that_are_put_in_the_place_of_others_are_refused_or_harmless(saved, kind):
    rng = random.Random(kind)
    for _ in range(FLIPS):
        name = rng.choice(sorted(saved[kind]))
        content = saved[kind][name]
        places = [*re.finditer(rb"-?\d[\d.eE+-]*", content)]
        place = rng.choice(places)
        other = rng.choice([b"0", b"-1", b"1", b"7", b"99999999999", b"1e308", b"-1e999", b"nan", b"inf", b"", b"1 1"])
        refused_or_finite(kind, {**saved[kind], name: content[: place.start()] + other + content[place.end() :]})


@pytest.mark.parametrize("kind", SMALL)
def test_a_file_that_is_cut_off_is_named(saved, kind):
    for name, content in saved[kind].items():
        whole = content.find(b"end of trees\n") + len(b"end of trees\n") if b"end of trees" in content else len(content)
        for length in {0, 1, whole // 3, whole // 2, whole * 3 // 4, whole - 2}:
            cut = content[: max(0, length)]
            if name == "std.txt" and length:
                continue  # a shorter number is one too
            with pytest.raises(ModelError, match=rf"^{re.escape(name)}"):
                KINDS[kind].load({**saved[kind], name: cut})


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"{}", b"[" * 100_000, b"tree", b"\xc3", b"null", b"\x00" * 9]
)
def test_files_of_something_else_are_refused(saved, kind, content):
    for name in saved[kind]:
        with pytest.raises(ModelError, match=rf"^{re.escape(name)}"):
            KINDS[kind].load({**saved[kind], name: content})


def changed_tree(text, key, *values):
    """The first line of a key that has so many numbers at least, with these at its end."""

    def replaced(match):
        numbers = match[2].split()
        return match[1] + " ".join([*numbers[: len(numbers) - len(values)], *map(str, values)])

    return re.sub(rf"({key}=)(\S+(?: \S+)+)", replaced, text, count=1)


@pytest.mark.parametrize(
    ("key", "values", "reason"),
    [
        ("left_child", (0,), "references lead back"),  # a circle
        ("right_child", (1,), "references lead back"),
        ("left_child", (2**31 - 1,), "references lead back"),
        ("left_child", (-99,), "references lead back"),
        ("left_child", (-1, -1), "two parents"),
        ("split_feature", (WIDTH,), "feature that is none"),
        ("split_feature", (-1,), "feature that is none"),
        ("decision_type", (1,), "decides in a way"),  # by categories, of which there are none
        ("decision_type", (255,), "decides in a way"),
        ("leaf_value", ("1e999",), "not finite"),
        ("leaf_value", ("1e300",), "add up"),
        ("leaf_value", ("nan",), "where LightGBM writes leaf_value"),
        ("threshold", ("1e",), "not all numbers"),
        ("threshold", ("",), "not all numbers"),
        ("leaf_value", ("1 1",), "leaf_value are not"),
        ("tree_sizes", ("7",), "tree_sizes"),
        ("tree_sizes", ("999999999999",), "tree_sizes"),
        ("feature_infos", ("none none",), "feature_infos"),
    ],
)
def test_trees_of_lightgbm_are_checked(saved, key, values, reason):
    files = saved["lightgbm"]
    text = changed_tree(files["member-0.txt"].decode(), key, *values)
    # Sizes of trees have to agree, or they would be found out by those.
    sizes = [len(tree) for tree in re.findall(r"Tree=\d+\n.*?\n\n\n", text, flags=re.DOTALL)]
    if key != "tree_sizes":
        text = re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(map(str, sizes)), text, count=1)

    with pytest.raises(ModelError, match=rf"member-0\.txt: .*{reason}"):
        LightGBMModel.load({**files, "member-0.txt": text.encode()})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_leaves", "999999"),
        ("num_cat", "1"),
        ("is_linear", "1"),
        ("num_class", "3"),
        ("num_tree_per_iteration", "2"),
        ("max_feature_idx", "99999"),
        ("max_feature_idx", "-1"),
        ("objective", "poisson"),
        ("objective", "custom"),
        ("version", "x"),
        ("shrinkage", "1e999"),
    ],
)
def test_what_lightgbm_says_of_its_trees_is_checked(saved, key, value):
    files = saved["lightgbm"]
    text = re.sub(rf"{key}=.*", f"{key}={value}", files["member-0.txt"].decode(), count=1)

    with pytest.raises(ModelError, match=r"member-0\.txt"):
        LightGBMModel.load({**files, "member-0.txt": text.encode()})


@pytest.mark.parametrize(
    ("key", "place", "value", "reason"),
    [
        ("left_children", 1, 0, "twice|disagree"),  # a circle
        ("right_children", 0, 1, "twice|disagree"),
        ("left_children", 0, 10**6, "lead out"),
        ("left_children", 0, -7, "lead out"),
        ("right_children", 0, -1, "lead out"),
        ("parents", 1, 2, "disagree"),
        ("split_indices", 0, WIDTH, "feature that is none"),
        ("split_indices", 0, -1, "none"),
        ("split_type", 0, 1, "decides in a way"),
        ("default_left", 0, 7, "decides in a way"),
        ("split_conditions", -1, 1e300, "add up"),
        ("split_conditions", 0, None, "split_conditions"),
        ("categories", slice(0, 0), [1], "categories"),
        ("loss_changes", slice(0, 1), [], "loss_changes"),
    ],
)
def test_trees_of_xgboost_are_checked(saved, key, place, value, reason):
    files = saved["xgboost"]
    model = json.loads(files["member-0.json"])
    model["learner"]["gradient_booster"]["model"]["trees"][0][key][place] = value

    with pytest.raises(ModelError, match=rf"member-0\.json: .*({reason})"):
        XGBoostModel.load({**files, "member-0.json": json.dumps(model).encode()})


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("learner_model_param.num_class", "3"),
        ("learner_model_param.num_feature", "99999999999"),
        ("learner_model_param.base_score", "[nan]"),
        ("learner_model_param.base_score", "[1e999]"),
        ("objective.name", "multi:softmax"),
        ("gradient_booster.name", "dart"),
        ("gradient_booster.model.tree_info", [0, 0, 1]),
        ("gradient_booster.model.iteration_indptr", [0, 1, 2, 999]),
        ("gradient_booster.model.gbtree_model_param.num_trees", "9"),
        ("gradient_booster.model.gbtree_model_param.num_parallel_tree", "0"),
        ("feature_names", ["a"]),
        ("surprise", 1),
    ],
)
def test_what_xgboost_says_of_its_trees_is_checked(saved, where, value):
    files = saved["xgboost"]
    model = json.loads(files["member-0.json"])
    *path, last = where.split(".")
    part = model["learner"]
    for name in path:
        part = part[name]
    part[last] = value

    with pytest.raises(ModelError, match=r"member-0\.json"):
        XGBoostModel.load({**files, "member-0.json": json.dumps(model).encode()})


def test_xgboost_in_binary_json_is_refused(saved):
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(saved["xgboost"]["member-0.json"]))
    with pytest.raises(ModelError, match=r"member-0\.json"):
        XGBoostModel.load({**saved["xgboost"], "member-0.json": bytes(booster.save_raw("ubj"))})


@pytest.mark.parametrize(
    ("kind", "name", "changes"),
    [
        ("lightgbm", "ensemble.json", {"residual_means": []}),
        ("lightgbm", "ensemble.json", {"residual_means": [1.0, 0.0], "residual_stds": [1.0, 1.0]}),
        ("lightgbm", "ensemble.json", {"residual_stds": [0.0]}),
        ("lightgbm", "ensemble.json", {"residual_stds": [1e308]}),
        ("lightgbm", "ensemble.json", {"members": 10**12}),
        ("lightgbm", "ensemble.json", {"members": -1}),
        ("lightgbm", "ensemble.json", {"num_features": 3}),
        ("lightgbm", "ensemble.json", {"hyper_parameters": {"absolute_share": 1e5}}),
        ("lightgbm", "ensemble.json", {"hyper_parameters": {"num_trees": "many"}}),
        ("lightgbm", "ensemble.json", {"hyper_parameters": {"compute": 1}}),
        ("lambdarank", "line-0.json", {"slope": 1e300}),
        ("lambdarank", "line-0.json", {"bend": 1.0}),
        ("ridge", "member-0.json", {"bias": 1e300}),
        ("ridge", "member-0.json", {"scale": [0.0] * WIDTH}),
        ("ridge", "member-0.json", {"weights": []}),
        ("gaussian-process", "trials.json", {"max_trials": 10**9}),
        ("gaussian-process", "trials.json", {"max_trials": 2}),
        ("gaussian-process", "trials.json", {"length_scale": 0.0}),
        ("gaussian-process", "trials.json", {"scale": [0.0] * WIDTH}),
        ("gaussian-process", "trials.json", {"costs": [1e308] * 8}),
        ("gaussian-process", "trials.json", {"rows": []}),
    ],
)
def test_what_we_write_ourselves_is_checked(saved, kind, name, changes):
    content = json.dumps({**json.loads(saved[kind][name]), **changes}).encode()

    with pytest.raises(ModelError, match=r"\.(json|txt)"):
        KINDS[kind].load({**saved[kind], name: content})


@pytest.mark.parametrize("text", ["nan", "inf", "-1.0", "0", "1e300", "one", ""])
def test_a_deviation_is_positive_and_finite(text):
    with pytest.raises(ModelError, match=r"std\.txt"):
        FlopModel.load({"std.txt": text.encode()})
