import threading

from search.space.funnel import NOT_APPLICABLE, FunnelCount


def test_candidates_are_counted_by_what_refused_them() -> None:
    count = FunnelCount()
    for cause in (None, "VerifyGPUCode", NOT_APPLICABLE, None, "VerifyGPUCode"):
        count.add(cause)
    assert (count.funnel.sampled, count.funnel.valid) == (5, 2)
    assert list(count.funnel.refused.items()) == [("VerifyGPUCode", 2), (NOT_APPLICABLE, 1)]


def test_threads_lose_none() -> None:
    count = FunnelCount()
    threads = [threading.Thread(target=lambda: [count.add("x") for _ in range(500)]) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (count.funnel.sampled, count.funnel.refused["x"]) == (2000, 2000)
