"""Model-accuracy regression tests for users' repositories: a fixture that pytest finds by itself.

    def test_accuracy(accuracy_gate):
        accuracy_gate("logs/", "baseline.json")

fails when cost models that are trained from the logs rank unseen workloads worse than the baseline file allows, and
names metric, workload and both values. `pytest --update-accuracy-baseline` writes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Gate = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --update-accuracy-baseline."""
    parser.addoption(
        "--update-accuracy-baseline",
        action="store_true",
        help="write the baseline files of tunedb's accuracy_gate instead of comparing with them",
    )


@pytest.fixture
def accuracy_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Gate:
    """A function that fails the test when cost models got worse; see `check` for its arguments."""

    def gate(
        logs: str | Path,
        baseline: str | Path,
        *,
        splits: Sequence[str] = ("leave-operator-family-out",),
        limit: int | None = 64,
        workers: int = 1,
    ) -> None:
        __tracebackhide__ = True
        fallen = check(
            logs,
            baseline,
            tmp_path / "store",
            splits=splits,
            limit=limit,
            workers=workers,
            update=bool(request.config.getoption("--update-accuracy-baseline")),
        )
        if fallen:
            pytest.fail("worse than the baseline:\n" + "\n".join(fallen), pytrace=False)

    return gate


def check(
    logs: str | Path,
    baseline: str | Path,
    store_folder: Path,
    *,
    splits: Sequence[str],
    limit: int | None,
    workers: int,
    update: bool,
) -> list[str]:
    """Trains the default model from logs and compares its figures with a baseline.

    Args:
        logs: a file or folder of tuning logs, read relative to the current folder.
        baseline: the file to compare with.
        store_folder: where a store may be made of the logs.
        splits: of `costmodels.evaluation.folds.SPLITS`.
        limit: at most so many trials of a workload, spread over the ranks of their latencies.
        workers: processes and threads at a time.
        update: write the file instead.

    Returns:
        What fell, a line each.

    Raises:
        NotFoundError: there are no logs, or no baseline.
    """
    from costmodels.compute import Compute
    from costmodels.evaluation.gate import falls, read_baseline, write_baseline
    from costmodels.evaluation.splits import evaluate
    from costmodels.models import DEFAULT, makers
    from costmodels.pools import Selection, read_pools
    from tunedb.ingest.pipeline import ingest
    from tunedb.store.opening import open_store

    expected = None if update else read_baseline(baseline)
    with open_store(store_folder, create=True) as store:
        ingest(store, [Path(logs)])
        selection, compute = Selection(limit=limit), Compute(workers)
        pools = [
            pool for target in store.targets() for pool in read_pools(store, target, selection, compute=compute).pools
        ]
    figures = evaluate(pools, makers([DEFAULT], compute), splits).figures
    if expected is None:
        write_baseline(baseline, figures, DEFAULT)
        return []
    return [str(fall) for fall in falls(expected, figures)]
