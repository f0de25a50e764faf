"""The fuzzers that there are."""

from __future__ import annotations

from tests.faults.arguments import Arguments
from tests.faults.crowd import Crowd, SameLog
from tests.faults.harness import Fuzzer
from tests.faults.kills import FullDisk, Kills
from tests.faults.lines import Lines, Prefixes
from tests.faults.readers import Readers
from tests.faults.stores import Columns, DeltaLog

FUZZERS: dict[str, type[Fuzzer]] = {
    fuzzer.name: fuzzer
    for fuzzer in (Readers, Lines, Prefixes, Columns, DeltaLog, Arguments, Kills, FullDisk, Crowd, SameLog)
}
