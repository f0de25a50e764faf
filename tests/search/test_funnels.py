from dataclasses import replace
from typing import Any

import pytest

from search.funnels import kept
from tunedb.errors import BadInputError
from tunedb.store.memory import MemoryStore


@pytest.mark.tvm
def test_a_run_shows_and_stores_what_became_of_its_candidates(small_matmul: Any, target: Any) -> None:
    from cli.tuned import answer
    from search.documents import tuned
    from search.task import Task
    from search.tune import tune

    store = MemoryStore()
    report = tune([Task("small", small_matmul)], store=store, target=target, trials=4, check=False, use_prior=False)
    (found,) = kept(store, report.source_id)
    assert (found.name, found.built, found.ran) == ("small", report.trials, report.trials - report.failed)
    assert found.sampled is not None and found.refused is not None
    assert found.sampled >= found.valid == found.sampled - sum(found.refused.values()) >= report.trials
    told = tuned(report)["tasks"][0]["funnel"]
    assert told == {name: getattr(found, name) for name in ("sampled", "refused", "valid", "built", "ran")}
    assert any(f"{found.sampled} candidates sampled" in str(line) for line in answer(report).text)
    stock = tune([Task("small", small_matmul)], store=store, target=target, trials=2, check=False, strategy="random")
    (one,) = kept(store, stock.source_id)
    assert (one.sampled, one.refused, one.built) == (None, None, 2)
    assert not any("candidates sampled" in str(line) for line in answer(replace(stock)).text)


def test_of_a_run_that_stored_none_nothing_is_known() -> None:
    assert kept(MemoryStore(), "0" * 32) == []


def test_a_damaged_file_is_named() -> None:
    store = MemoryStore()
    store.artifacts.write("runs/abc.json", b"{}")
    with pytest.raises(BadInputError, match="runs/abc"):
        kept(store, "abc")
