import pytest

from tunedb.units import count, duration, elapsed, size


@pytest.mark.parametrize(
    ("secs", "text"),
    [
        (None, "-"),
        (float("inf"), "-"),
        (33.6e-9, "33.6 ns"),
        (1.74e-5, "17.4 us"),
        (999.9e-6, "999.9 us"),
        (999.99e-6, "1 ms"),
        (0.0126399, "12.64 ms"),
        (2.5, "2.5 s"),
    ],
)
def test_duration(secs, text):
    assert duration(secs) == text


def test_elapsed():
    assert [elapsed(secs) for secs in (0.04, 14.23, 99.97, 185)] == ["0.0 s", "14.2 s", "1 min 40 s", "3 min 05 s"]


def test_size():
    assert [size(amount) for amount in (None, 0, 49152, 5 << 40)] == ["-", "0 B", "48 KiB", "5 TiB"]


def test_count():
    assert [count(1, "trial"), count(1024, "trial"), count(2, "query", "queries")] == [
        "1 trial",
        "1,024 trials",
        "2 queries",
    ]
