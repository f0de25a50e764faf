"""How fast a network is, as tables: beside other runtimes, and where its time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.output import Table
from tunedb.units import duration

if TYPE_CHECKING:
    from search.networks.benchmark import Benchmark

_LEAST_SHARE = 0.005  # of the time: programs of less are told together


def tables(speed: Benchmark) -> list[str | Table]:
    """What `--benchmark` measured."""
    runtimes = Table(
        ["runtime", "median", "90% interval", "tunedb takes"],
        [
            [
                one.name,
                duration(one.secs),
                f"{duration(one.low_secs)} to {duration(one.high_secs)}",
                "" if place == 0 else f"{one.ratio:.2f} times",
            ]
            for place, one in enumerate(speed.runtimes)
        ],
        right=frozenset({"median", "tunedb takes"}),
    )
    programs = Table(
        ["program, in the running network", "schedule", "calls", "time", "share", "GFLOP/s", "of the roof"],
        [
            [
                one.workload,
                one.origin,
                str(one.calls),
                duration(one.secs),
                f"{one.share:.1%}",
                "-" if not one.flop_per_sec else f"{one.flop_per_sec / 1e9:.3g}",
                "-" if one.roof_share is None else f"{one.roof_share:.0%}",
            ]
            for one in speed.programs
            if one.share >= _LEAST_SHARE
        ],
        right=frozenset({"calls", "time", "share", "GFLOP/s", "of the roof"}),
    )
    small = [one.secs for one in speed.programs if one.share < _LEAST_SHARE]
    roof = f"{speed.roof.flop_per_sec / 1e9:.3g} GFLOP/s, {speed.roof.bytes_per_sec / 1e9:.3g} GB/s"
    threads = f"{speed.num_threads} thread{'s' if speed.num_threads > 1 else ''}"
    lines: list[str | Table] = ["", f"on {threads}, all in turn:", runtimes, "", programs]
    if small:
        lines.append(f"{len(small)} more programs take {duration(sum(small))}")
    lines.append(f"outside programs: {duration(speed.overhead_secs)}; the roof: {roof}")
    return lines
