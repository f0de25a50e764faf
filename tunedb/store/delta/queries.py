"""The store's questions as SQL. `{trials}`, `{workloads}`, ... stand for what to read; `?` for what is given.

A trial may stand twice in its table (see `tunedb.store.schema`), so every question takes one row a trial id, after it
has selected: duplicates agree in all that is selected by. Times come as microseconds since 1970: DuckDB needs an
extension to make anything else of a time with a zone.
"""

from __future__ import annotations

from tunedb.machine.kernels import WORKLOAD_IDS

# What users ask for is their own workloads, not the kernels that tuning calibrates a machine with.
OWN = "workload_id NOT IN ({})".format(", ".join(f"'{workload_id}'" for workload_id in sorted(WORKLOAD_IDS)))

KNOWN_TRIALS = """
SELECT DISTINCT trial_id FROM {trials} SEMI JOIN new_ids USING (trial_id)
"""

_SELECTED = """
SELECT * FROM {trials} WHERE {selected}
QUALIFY row_number() OVER (PARTITION BY trial_id ORDER BY source_id, position) = 1
"""

_TRIAL_COLUMNS = """
t.trial_id, t.workload_id, t.module_id, t.target_id, t.hardware_id, t.source_id, t.position, t.trace_id,
t.instructions_id, t.postproc, t.decisions, t.args_info, t.run_secs, t.outcome, t.error, epoch_us(t.measured_at)
"""

TRIALS = f"""
SELECT {_TRIAL_COLUMNS} FROM ({_SELECTED}) AS t
ORDER BY t.workload_id, t.source_id, t.position, t.trial_id
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

WORKLOAD_COUNTS = """
SELECT workload_id, count(*), count(*) FILTER (outcome <> 'ok'), count(DISTINCT target_id), min(secs_median)
FROM (SELECT DISTINCT trial_id, workload_id, target_id, outcome, secs_median FROM {trials} WHERE {selected})
GROUP BY workload_id
"""

TARGET_COUNTS = f"""
SELECT target_id, hardware_id, count(*), count(*) FILTER (outcome <> 'ok'), count(DISTINCT workload_id)
FROM (SELECT DISTINCT trial_id, workload_id, target_id, hardware_id, outcome FROM {{trials}} WHERE {OWN})
GROUP BY target_id, hardware_id ORDER BY 3 DESC, 1, 2
"""

OUTCOMES = f"SELECT outcome, count(DISTINCT trial_id) FROM {{trials}} WHERE {OWN} GROUP BY outcome"

MODULES = """
SELECT DISTINCT ON (row_id)
    workload_id, module_id, structural_hash, name, signature, tvm_version, module_json
FROM {workloads} WHERE {selected} ORDER BY row_id
"""

ALIASES = """
SELECT DISTINCT ON (row_id) workload_id, structural_hash, name, tvm_version, module_id FROM {workloads} WHERE {selected}
"""

TARGETS = "SELECT DISTINCT ON (target_id) target_id, text, kind, arch, num_cores FROM {targets}"

HARDWARE = """
SELECT DISTINCT ON (hardware_id)
    hardware_id, name, kind, num_cores, simd_bits, l1d_bytes, l2_bytes, l3_bytes, memory_bytes
FROM {hardware}
"""

SOURCES = """
SELECT source_id, uri, format, detail, epoch_us(min(added_at)) AS first_added FROM {sources}
GROUP BY source_id, uri, format, detail ORDER BY first_added, uri, source_id
"""

INSTRUCTIONS = "SELECT instructions_id, any_value(instructions) FROM {instructions} WHERE {selected} GROUP BY 1"

REJECTED = "SELECT DISTINCT uri, line, reason, content FROM {quarantine} ORDER BY uri, line, reason"

NUM_REJECTED = "SELECT count(DISTINCT rejected_id) FROM {quarantine}"

# For each kind of reference: how many trials have one that leads nowhere, and an example.
DANGLING = """
SELECT count(DISTINCT trial_id), min({column}) FROM {{trials}}
WHERE {column} <> '' AND {column} NOT IN (SELECT {column} FROM {table})
"""

MISCOUNTED = """
SELECT count(*), min(trial_id) FROM {trials}
WHERE (outcome = 'ok') <> (secs_median IS NOT NULL AND len(run_secs) > 0)
"""


def any_of(column: str, count: int) -> str:
    """A condition: the column has one of `count` values that are given."""
    return f"{column} IN ({', '.join('?' * count)})"
