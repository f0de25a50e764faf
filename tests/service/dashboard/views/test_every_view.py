"""What holds of every view: stores without its kind of data are told of, and charts are drawn."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from service.dashboard.marks import LABEL
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views import (
    accuracy,
    correctness,
    hardware,
    importance,
    intervals,
    machines,
    models,
    neighbours,
    network,
    savings,
    schedules,
)
from tests.service.dashboard.views.conftest import START, WARM
from tests.tunedb.samples import TARGET, WORKLOAD, failed
from tunedb import Store
from tunedb.errors import NotFoundError, UsageError
from tunedb.records import Outcome

OWN = (
    accuracy,
    correctness,
    hardware,
    importance,
    intervals,
    machines,
    models,
    neighbours,
    network,
    savings,
    schedules,
)
VIEWS = [module.VIEW for module in OWN]
IN_RUNS = {"workload": WORKLOAD.workload_id[:12], "target": TARGET.target_id[:12], "run": WARM.source_id[:12]}


def filters_for(view: View, values: dict[str, str]) -> Filters:
    return Filters(**{name: values[name] for name in view.needs})  # type: ignore[arg-type]


def check(panel: Panel) -> dict[str, Any] | None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", panel.name)
    assert panel.title
    assert panel.summary.strip().endswith(".")
    assert not re.search(r"\bnan\b|None|inf\b", panel.summary)
    assert panel.table.num_rows <= 3_000
    return None if panel.chart is None else panel.chart.to_dict()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_an_empty_store_is_told_of(view: View, empty: Store) -> None:
    if view.needs:
        with pytest.raises(NotFoundError):
            view.build(empty, filters_for(view, dict.fromkeys(view.needs, "abcdef")))
        with pytest.raises(UsageError, match=f"needs the filter '{view.needs[0]}'"):
            view.build(empty, Filters())
        return
    panels = view.build(empty, Filters())
    assert panels
    for panel in panels:
        assert check(panel) is None
        assert panel.table.num_rows == 0


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_charts_hold_what_their_tables_hold(view: View, runs: Store) -> None:
    panels = view.build(runs, filters_for(view, IN_RUNS))
    assert len({panel.name for panel in panels}) == len(panels)
    for panel in panels:
        made = check(panel)
        if made is not None:
            assert panel.table.num_rows
            text = json.dumps(made, allow_nan=False)  # JSON has no word for NaN
            assert "url" not in re.findall(r'"(url)":', text)
            assert f'"labelLimit": {LABEL + 1}' not in text


def test_filters_that_do_not_narrow_a_view_are_named(runs: Store) -> None:
    (panel,) = neighbours.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id, run="aa11", since=START))
    assert panel.notes[-1] == "Not narrowed by the filters run and since."
    (panel,) = neighbours.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id))
    assert not any("narrowed" in note for note in panel.notes)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_workload_of_which_all_failed_ruins_nothing(view: View, empty: Store) -> None:
    from tests.tunedb.samples import AROUND

    empty.append([failed(0), failed(1, Outcome.RUN_TIMEOUT)], **AROUND)
    if "run" in view.needs:
        return
    values = {"workload": WORKLOAD.workload_id, "target": TARGET.target_id}
    for panel in view.build(empty, filters_for(view, values)):
        assert check(panel) is None
