"""The tables, JSON and plot of search_live.py, from its finished runs."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 2000
Cells = dict[tuple[str, int], dict[str, Any]]  # by workload and seed: the runs of arms, and what was measured again


def report(work: Path, machine: Mapping[str, str], arms: Mapping[str, int], after: Sequence[int], out: Path) -> None:
    """Prints, and writes JSON and a PNG next to each other."""
    cells = read(work)
    rows = ratios(cells, arms, after)
    document: dict[str, Any] = {"machine": machine, "arms": dict(arms), "ratios": rows}
    document["warm_to_es+model"] = to_model(cells, after)
    for workload, of_trials in document["warm_to_es+model"].items():
        print(f"{workload:42} warm / es+model", *(f"N={n}: {ratio:.2f} " for n, ratio in of_trials.items()))
    out.parent.mkdir(parents=True, exist_ok=True)
    if not any("es@64" in row for row in rows):
        print("no run of es is finished: there is nothing else to compare with")
        out.write_text(json.dumps(document, indent=1) + "\n")
        return
    print(f"\n{machine['cpu']}, {machine['target']}")
    for number in (64, 128):
        print(f"\nlatency after N trials / latency of es after {number} (geometric mean over workloads, 90% interval)")
        print(f"{'arm':12}", *(f"{f'N={n}':>20}" for n in after))
        table = summary(rows, f"es@{number}")
        document[f"to_es{number}"] = table
        for arm in arms:
            shown = [table.get(arm, {}).get(str(n)) for n in after]
            if any(shown):
                texts = [f"{s['mean']:.2f} ({s['low']:.2f}-{s['high']:.2f})" if s else "-" for s in shown]
                of = max(s["workloads"] for s in shown if s)
                print(f"{arm:12}", *(f"{text:>20}" for text in texts), f"  {of} workloads")
    document["share_of_peak"] = share_of_peak(rows, work / "core.json")
    print("\nshare of the FLOP/s that the core was seen to do, in what was found (median over seeds)")
    for workload, shares in document["share_of_peak"].items():
        print(f"{workload:42}", *(f"{name} {share:.2f} " for name, share in shares.items()))
    document["reach"] = reach(cells, arms, after)
    print("\nmedian over runs of: trials and seconds to reach the latency of es@64 and es@128; runs that did not")
    for arm, found in document["reach"].items():
        print(f"{arm:12}", *(f"{name}: {_number(value)}" for name, value in found.items()))
    document["speedups"] = speedups(cells, after)
    print(
        "\nseconds to the latency of es@128, of stock over warm; > where stock's trials were over before it got there"
    )
    for found in document["speedups"]:
        times = f"{'>' if found['is_bound'] else ''}{found['times']:.1f}"
        secs = f"{found['stock_secs']:.1f} / {found['warm_secs']:.1f} s"
        print(f"{found['workload']:42} seed {found['seed']} {times:>7}  {secs}")
    losses = [row for row in rows if row["arm"] == "warm" and row["after"] == 64 and row["es@64"] > 1.03]
    document["losses"] = losses
    print("\nwarm after 64 trials more than 3% slower than es@64:")
    for row in losses or [None]:
        print("  none" if row is None else f"  {row['workload']} seed {row['seed']}: {row['es@64']:.2f}")
    out.write_text(json.dumps(document, indent=1) + "\n")
    plot(rows, out.with_suffix(".png"))


def read(work: Path) -> Cells:
    """Finished runs by workload and seed."""
    cells: Cells = defaultdict(dict)
    for path in sorted(work.glob("*-s*-*.json")):
        parts = re.fullmatch(r"(.+)-s(\d+)-(.+)", path.stem)
        if parts:
            cells[parts[1], int(parts[2])][parts[3]] = json.loads(path.read_text())
    return cells


def latency(cell: Mapping[str, Any], arm: str, number: int) -> float | None:
    """Seconds, measured again, of what an arm had found after so many trials; None when it did not get so far."""
    trials = cell[arm]["trials"] if arm in cell else []
    good = [trial for trial in trials[:number] if trial["secs"]]
    if arm == "predicted" and trials:
        found = trials[0]
    elif good and len(trials) >= number:
        found = min(good, key=lambda trial: trial["secs"])
    else:
        return None
    again: float | None = cell.get("again", {}).get(json.dumps(found["trace"]))
    return again


def ratios(cells: Cells, arms: Mapping[str, int], after: Sequence[int]) -> list[dict[str, Any]]:
    """One row a workload, seed, arm and number of trials."""
    rows = []
    for (workload, seed), cell in cells.items():
        floors = {number: latency(cell, "es", number) for number in (64, 128)}
        for arm in arms:
            for number in after:
                secs = latency(cell, arm, number)
                if secs is None or (arm == "predicted" and number != after[0]):
                    continue
                row = {"workload": workload, "seed": seed, "arm": arm, "after": number, "secs": secs}
                rows.append({**row, **{f"es@{n}": secs / floor for n, floor in floors.items() if floor}})
    return rows


def summary(rows: Sequence[Mapping[str, Any]], against: str) -> dict[str, dict[str, Any]]:
    """Geometric means over workloads (of the mean over seeds), with bootstrap intervals over workloads."""
    logs: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if against in row:
            logs[row["arm"], row["after"]][row["workload"]].append(math.log(row[against]))
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for (arm, number), of_workloads in logs.items():
        means = np.array([np.mean(values) for values in of_workloads.values()])
        sample = np.random.default_rng(0).choice(means, size=(RESAMPLES, len(means))).mean(axis=1)
        low, high = np.exp(np.quantile(sample, [0.05, 0.95]))
        table[arm][str(number)] = {
            "mean": float(np.exp(means.mean())),
            "low": float(low),
            "high": float(high),
            "worst": float(np.exp(means.max())),
            "workloads": len(means),
        }
    return dict(table)


def to_model(cells: Cells, after: Sequence[int]) -> dict[str, dict[str, float]]:
    """Latency of warm over that of evolutionary search with the same model, after as many trials.

    By workload, the median over seeds that have both; "all" is the geometric mean over workloads.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (workload, _), cell in cells.items():
        for number in after:
            ours, theirs = latency(cell, "warm", number), latency(cell, "es+model", number)
            if ours is not None and theirs is not None:
                found[workload][str(number)].append(ours / theirs)
    medians = {w: {n: float(np.median(ratios)) for n, ratios in of.items()} for w, of in found.items()}
    numbers = dict.fromkeys(number for of_trials in medians.values() for number in of_trials)
    logs = {n: [math.log(of_trials[n]) for of_trials in medians.values() if n in of_trials] for n in numbers}
    return {**medians, "all": {n: float(np.exp(np.mean(values))) for n, values in logs.items()}}


def share_of_peak(rows: Sequence[Mapping[str, Any]], core: Path) -> dict[str, dict[str, float]]:
    """How much of the core's FLOP/s the schedules reach, by workload.

    FLOP are counted as the untuned program writes them: where a schedule leaves out what is known to be zero, the share
    is above one.
    """
    if not core.is_file():
        return {}
    known = json.loads(core.read_text())
    found: dict[str, dict[str, float]] = {}
    for workload, flop in known["flop"].items():
        found[workload] = {}
        for arm, number in (("es", 64), ("es", 128), ("warm", 1), ("warm", 16), ("warm", 64)):
            secs = [r["secs"] for r in rows if (r["workload"], r["arm"], r["after"]) == (workload, arm, number)]
            if secs:
                found[workload][f"{arm}@{number}"] = flop / known["flop_per_sec"] / float(np.median(secs))
    return found


def reach(cells: Cells, arms: Mapping[str, int], after: Sequence[int]) -> dict[str, dict[str, float]]:
    """How many trials and seconds each arm took to what evolutionary search had after 64 and 128 trials.

    By what was measured again, so that a drift of the machine between two runs favours nobody; therefore only known at
    the numbers of trials whose best was measured again. Those that never got there count as infinite. Seconds are from
    the start of the process. `strategy_share` is the strategy's own time over all other time of the run.
    """
    found: dict[str, dict[str, float]] = {}
    for arm in arms:
        if arm == "predicted" or not any(arm in cell for cell in cells.values()):
            continue
        row: dict[str, float] = {}
        for number in (64, 128):
            needed = []
            for cell in cells.values():
                aim = latency(cell, "es", number)
                if arm not in cell or aim is None:
                    continue
                needed.append(_reached(cell, arm, aim, after))
            row[f"trials_to_{number}"] = float(np.median([trials for trials, _ in needed]))
            row[f"secs_to_{number}"] = float(np.median([secs for _, secs in needed]))
            row[f"missed_{number}"] = float(np.mean([math.isinf(trials) for trials, _ in needed]))
        own = [cell[arm]["elapsed_secs"] / len(cell[arm]["trials"]) for cell in cells.values() if arm in cell]
        row["secs_a_trial"] = float(np.median(own))
        row["first_trial_secs"] = float(np.median([c[arm]["trials"][0]["at"] for c in cells.values() if arm in c]))
        row["last_trial_secs"] = float(np.median([c[arm]["trials"][-1]["at"] for c in cells.values() if arm in c]))
        shares = [
            cell[arm]["strategy_secs"] / (cell[arm]["elapsed_secs"] - cell[arm]["strategy_secs"])
            for cell in cells.values()
            if cell.get(arm, {}).get("strategy_secs")
        ]
        if shares:
            row["strategy_share"] = float(np.median(shares))
        found[arm] = row
    return found


def speedups(cells: Cells, after: Sequence[int]) -> list[dict[str, Any]]:
    """How many times less *warm* takes, from the start of its process, than *stock* to what es has after 128 trials.

    Where stock's trials were over before it got there, the time that they took makes it a lower bound. Runs in which
    warm never got there count as zero.
    """
    found = []
    for (workload, seed), cell in cells.items():
        aim = latency(cell, "es", 128)
        if aim is None or not {"warm", "stock"} <= cell.keys():
            continue
        stock_secs, warm_secs = (_reached(cell, arm, aim, after)[1] for arm in ("stock", "warm"))
        is_bound = math.isinf(stock_secs)
        stock_secs = cell["stock"]["trials"][-1]["at"] if is_bound else stock_secs
        row = {"workload": workload, "seed": seed, "is_bound": is_bound}
        found.append({**row, "stock_secs": stock_secs, "warm_secs": warm_secs, "times": stock_secs / warm_secs})
    return found


def _reached(cell: Mapping[str, Any], arm: str, aim: float, after: Sequence[int]) -> tuple[float, float]:
    """Trials and seconds after which an arm was at or below a latency; infinite when it never was."""
    for number in after:
        secs = latency(cell, arm, number)
        if secs is not None and secs <= aim:
            return number, cell[arm]["trials"][number - 1]["at"]
    return math.inf, math.inf


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Best latency after N trials as a ratio to es@64, a line an arm."""
    import altair

    table = summary(rows, "es@64")
    most = max(figures["workloads"] for of_arm in table.values() for figures in of_arm.values())
    values = [
        {"arm": arm, "trials": int(number), **figures}
        for arm, of_arm in table.items()
        if arm not in ("predicted", "stock")
        for number, figures in of_arm.items()
        if figures["workloads"] == most  # a mean over fewer is another mean
    ]
    bounds = [min(row["low"] for row in values), max(row["high"] for row in values)]
    base = altair.Chart(altair.Data(values=values)).encode(
        x=altair.X("trials:Q", scale=altair.Scale(type="log", base=2), title="trials"),
        color=altair.Color("arm:N", title=None, legend=altair.Legend(symbolOpacity=1.0)),
    )
    scale = altair.Scale(type="log", domain=bounds, nice=False)
    band = base.mark_area(opacity=0.12).encode(y="low:Q", y2="high:Q")
    title = "latency / latency of evolutionary search after 64 trials"
    line = base.mark_line(point=True).encode(y=altair.Y("mean:Q", scale=scale, title=title))
    chart = (band + line).properties(width=520, height=340, title="Best so far, geometric mean over workloads")
    chart.save(str(path), scale_factor=2)


def _number(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.3g}"
