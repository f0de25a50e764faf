"""The document of a bench: written whole, read with suspicion, and gone on from only by the same command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import pytest

from search.bench.bench import ranked
from search.bench.results import FILE, Arm, Asked, Results, goes_on, read_results, write_results
from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.machine.hardware import hardware_named

ASKED = Asked(("a.onnx",), ("bo", "random"), (0,), 8, '{"kind":"llvm"}')


def arm(strategy: str, **fields: object) -> Arm:
    return Arm(network="a", strategy=strategy, seed=0, predicts=strategy == "bo", **fields)  # type: ignore[arg-type]


RESULTS = Results(
    asked=ASKED, machine=hardware_named("a machine"), versions={"tunedb": "1"}, rounds=3, arms=(arm("bo"),)
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_results(tmp_path / "new", RESULTS)
    write_results(tmp_path / "new", RESULTS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]
    assert read_results(tmp_path / "new") == read_results(tmp_path / "new" / FILE) == RESULTS
    document = json.loads((tmp_path / "new" / FILE).read_text())
    assert document["machine"] == dataclasses.asdict(RESULTS.machine)
    assert document["asked"]["strategies"] == ["bo", "random"]


@pytest.mark.parametrize("content", ["", "{}", "[", "null", '{"kind": 1}', "[" * 100000, "\udcff"])
def test_what_is_no_bench_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInputError, match="not what `tunedb bench` wrote"):
        read_results(tmp_path)


def test_another_kind_of_document_is_refused(tmp_path: Path) -> None:
    write_results(tmp_path, msgspec.structs.replace(RESULTS, kind="other"))
    with pytest.raises(BadInputError, match="its kind is 'other'"):
        read_results(tmp_path)
    with pytest.raises(NotFoundError, match="no such file"):
        read_results(tmp_path / "absent.json")


def test_the_same_command_goes_on_and_may_ask_for_more(tmp_path: Path) -> None:
    assert goes_on(tmp_path, ASKED) is None
    write_results(tmp_path, RESULTS)
    assert goes_on(tmp_path, ASKED) == RESULTS
    more = msgspec.structs.replace(ASKED, strategies=("random", "es+model", "bo"), seeds=(1, 0))
    assert goes_on(tmp_path, more) == RESULTS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trials": 9}, "a bench of trials 8, not 9"),
        ({"target": "{}"}, "a bench of target"),
        ({"models": ("b.onnx",)}, "with the model a.onnx"),
        ({"strategies": ("bo",)}, "with the strategy random"),
        ({"seeds": (1,)}, "with the seed 0"),
    ],
)
def test_another_command_wants_another_folder(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    write_results(tmp_path, RESULTS)
    with pytest.raises(UsageError, match=said):
        goes_on(tmp_path, msgspec.structs.replace(ASKED, **changed))


def test_losses_come_first() -> None:
    arms = [arm("bo", ratio=1.0), arm("fast", ratio=0.5), arm("slow", ratio=2.0), arm("broken", error="no compiler")]
    assert [one.strategy for one in ranked(arms)] == ["broken", "slow", "bo", "fast"]
