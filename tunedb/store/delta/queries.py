"""The store's questions as SQL. `{trials}`, `{workloads}`, ... stand for what to read; `?` for what is given.

A trial may stand twice in its table (see `tunedb.store.schema`), so every question takes one row a trial id, after it
has selected: duplicates agree in all that is selected by. Times come as microseconds since 1970: DuckDB needs an
extension to make anything else of a time with a zone.
"""

from __future__ import annotations

from typing import Any

from tunedb.store.flat import USER_WORKLOADS
from tunedb.store.schema import TRIALS, WORKLOADS, TableSchema

KNOWN_TRIALS = """
SELECT DISTINCT trial_id FROM {trials} SEMI JOIN new_ids USING (trial_id)
"""

KNOWN_SIGHTINGS = """
SELECT DISTINCT trial_id, source_id FROM {trials} SEMI JOIN new_ids USING (trial_id, source_id)
UNION SELECT trial_id, source_id FROM {sightings} SEMI JOIN new_ids USING (trial_id, source_id)
"""

_SELECTED = """
SELECT * FROM {trials} WHERE {selected}
QUALIFY row_number() OVER (PARTITION BY trial_id ORDER BY source_id, position) = 1
"""

_TRIAL_COLUMNS = TRIALS.selected("t")

SELECTED_TRIALS = f"""
SELECT {_TRIAL_COLUMNS} FROM ({_SELECTED}) AS t
ORDER BY t.workload_id, t.source_id, t.position, t.trial_id
"""

# How many rows there are of each workload and source, in the order of `SELECTED_TRIALS`.
ROWS = "SELECT workload_id, source_id, count(*) FROM {trials} WHERE {selected} GROUP BY ALL ORDER BY ALL"

WORKLOAD_ROWS = "SELECT workload_id, count(*) FROM {trials} WHERE {selected} GROUP BY ALL ORDER BY ALL"

# Of trials that stand more than once, the place of the one that counts.
TWICE = """
SELECT trial_id, min(struct_pack(source_id := source_id, position := position)) AS kept FROM {trials}
WHERE {selected} GROUP BY trial_id HAVING count(*) > 1
"""

FASTEST = "SELECT secs_median FROM {trials} WHERE {selected} ORDER BY secs_median LIMIT ?"

# The best trial of each trace, among those that are no slower than what `FASTEST` found.
BEST = f"""
SELECT {_TRIAL_COLUMNS} FROM (
    SELECT * FROM {{trials}} WHERE {{selected}} AND secs_median <= ?
    QUALIFY row_number()
        OVER (PARTITION BY module_id, trace_id ORDER BY secs_median, position, trial_id, source_id) = 1
) AS t
ORDER BY t.secs_median, t.position, t.trial_id LIMIT ?
"""

_LATENCY = "exp(avg(ln(list_min(run_secs))))"  # as `tunedb.query.estimates` says; NULL where all passes failed

SCHEDULES = f"""
SELECT hardware_id, trace_id, list(run_secs ORDER BY trial_id)
FROM (
    SELECT min(trial_id) AS trial_id, hardware_id, trace_id, run_secs FROM {{trials}} WHERE {{selected}}
    GROUP BY hardware_id, trace_id, run_secs  -- equal run times are one pass (`tunedb.identity.passes_of`)
)
GROUP BY hardware_id, trace_id
ORDER BY {_LATENCY}, hardware_id, trace_id LIMIT ?
"""

WORKLOAD_COUNTS = """
SELECT workload_id, count(*), count(*) FILTER (outcome <> 'ok'), count(DISTINCT target_id),
    min(secs_median) FILTER (conditions = '{{}}')
FROM (SELECT DISTINCT trial_id, workload_id, target_id, outcome, secs_median, conditions FROM {trials} WHERE {selected})
GROUP BY workload_id
"""

TARGET_COUNTS = f"""
SELECT target_id, hardware_id, count(*), count(*) FILTER (outcome <> 'ok'), count(DISTINCT workload_id)
FROM (SELECT DISTINCT trial_id, workload_id, target_id, hardware_id, outcome FROM {{trials}} WHERE {USER_WORKLOADS})
GROUP BY target_id, hardware_id ORDER BY 3 DESC, 1, 2
"""

OUTCOMES = f"SELECT outcome, count(DISTINCT trial_id) FROM {{trials}} WHERE {USER_WORKLOADS} GROUP BY outcome"

_GROUP = "workload_id, target_id, hardware_id, source_id, conditions, outcome"

# What counts rows is three times as fast as what counts trials; the two differ only where trials stand twice.
GROUPS = f"""
SELECT {_GROUP}, count(*), epoch_us(max(measured_at)), min(secs_median)
FROM {{trials}} WHERE {USER_WORKLOADS} GROUP BY ALL
"""
GROUPS_OF_SOME_TWICE = f"""
SELECT {_GROUP}, count(*), epoch_us(max(measured_at)), min(secs_median) FROM (
    SELECT DISTINCT ON (trial_id) {_GROUP}, measured_at, secs_median
    FROM {{trials}} WHERE {USER_WORKLOADS} ORDER BY trial_id, source_id, position
) GROUP BY ALL
"""

ANY_TWICE = "SELECT count(*) <> count(DISTINCT trial_id) FROM {trials}"

_POOL = "workload_id, target_id, hardware_id, conditions"
_BEST, _GOOD = "(latency, trial_id)", "latency IS NOT NULL"

POOLS = f"""
SELECT {_POOL}, sum(num_trials)::BIGINT, sum(num_failed)::BIGINT,
    arg_min(least_secs, {_BEST}) FILTER ({_GOOD}), arg_min(secs_median, {_BEST}) FILTER ({_GOOD}),
    arg_min(trial_id, {_BEST}) FILTER ({_GOOD})
FROM (
    SELECT {_POOL}, sum(num_trials) AS num_trials, sum(num_failed) AS num_failed,
        {_LATENCY} AS latency, list(list_min(run_secs)) AS least_secs, min(secs_median) AS secs_median,
        arg_min(trial_id, (secs_median, trial_id)) AS trial_id  -- NULL comes last
    FROM (
        SELECT {_POOL}, trace_id, run_secs, min(secs_median) AS secs_median, min(trial_id) AS trial_id,
            count(DISTINCT trial_id) AS num_trials, count(DISTINCT trial_id) FILTER (outcome <> 'ok') AS num_failed
        FROM {{trials}} WHERE {{selected}}
        GROUP BY {_POOL}, trace_id, run_secs
    )
    GROUP BY {_POOL}, trace_id
)
GROUP BY {_POOL}
"""

BEGINNING_WITH = """
SELECT DISTINCT trial_id, workload_id, target_id, trace_id FROM {trials}
WHERE starts_with(trial_id, ?) ORDER BY trial_id LIMIT ?
"""

ALIASES = """
SELECT workload_id, name, coalesce(structural_hash, '') FROM
    (SELECT DISTINCT ON (workload_id) workload_id, name FROM {workloads} WHERE {selected} ORDER BY workload_id, name)
LEFT JOIN (SELECT DISTINCT workload_id, structural_hash FROM {modules}) USING (workload_id)
"""

RELEASES = """
SELECT DISTINCT ON (module_id) workload_id, structural_hash, tvm_version FROM {modules} WHERE {selected}
"""

SOURCES = """
SELECT source_id, uri, format, detail, epoch_us(min(added_at)) AS first_added FROM {sources}
GROUP BY source_id, uri, format, detail ORDER BY first_added, uri, source_id
"""

INSTRUCTIONS = "SELECT instructions_id, any_value(instructions) FROM {instructions} WHERE {selected} GROUP BY 1"

REJECTED = "SELECT DISTINCT uri, line, reason, content FROM {quarantine} ORDER BY uri, line, reason"

NUM_REJECTED = "SELECT count(DISTINCT rejected_id) FROM {quarantine}"

# For a kind of reference: how many rows have one that leads nowhere, and an example.
DANGLING = """
SELECT count(DISTINCT ({key})), min({column}) FROM {{{table}}}
WHERE {column} <> '' AND {column} NOT IN (SELECT {column} FROM {{{referred}}})
"""

MISCOUNTED = """
SELECT count(*), min(trial_id) FROM {trials}
WHERE (outcome = 'ok') <> (secs_median IS NOT NULL AND len(run_secs) > 0)
"""


def rows_of(table: TableSchema) -> str:
    """All rows of a table that `{selected}` selects, one a key: of rows that differ, always the same."""
    order = "workload_id, name" if table is WORKLOADS else table.key  # TVM releases may name a workload differently
    question = f"SELECT DISTINCT ON ({table.key}) {table.selected()} FROM {{{table.name}}}"
    return f"{question} WHERE {{selected}} ORDER BY {order}"


def any_of(column: str, count: int) -> str:
    """A condition: the column has one of `count` values that are given."""
    return f"{column} IN ({', '.join('?' * count)})"


def selection(**given: str | None) -> tuple[str, list[str], dict[str, tuple[Any, Any]]]:
    """A condition, what stands for its `?`, and what it allows of the columns that files have statistics of.

    Args:
        given: wanted values by column; None for those that are not asked for.
    """
    wanted = {column: str(value) for column, value in given.items() if value is not None}
    bounds: dict[str, tuple[Any, Any]] = {
        column: (wanted[column], wanted[column]) for column in ("workload_id", "target_id") if column in wanted
    }
    return " AND ".join(f"{column} = ?" for column in wanted) or "true", list(wanted.values()), bounds
