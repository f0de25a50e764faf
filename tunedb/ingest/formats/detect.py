"""The format of a file, by its first lines; by its name only where they say nothing."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath

HEAD_BYTES = 1 << 16
_HEAD_LINES = 64
COMPRESSED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2")


class Format(StrEnum):
    """What a file holds; the value is what a source's `format` says."""

    RECORDS = "metaschedule-json"
    WORKLOADS = "metaschedule-workloads"
    AUTOTVM = "autotvm"
    ANSOR = "ansor"
    TAR = "tar"
    UNKNOWN = "unknown"


RECORD_FORMATS = (Format.RECORDS, Format.AUTOTVM, Format.ANSOR)

_LINE_FORMS = (
    (Format.RECORDS, re.compile(rb"\s*\[\s*\d+\s*,\s*\[\s*\[")),
    (Format.WORKLOADS, re.compile(rb'\s*\[\s*"\d+"\s*,\s*"')),
    (Format.AUTOTVM, re.compile(rb'\s*\{\s*"(?:input|config|result)"\s*:')),
    (Format.AUTOTVM, re.compile(rb'\s*\{\s*"i"\s*:\s*\[\s*"')),  # AutoTVM v0.1
    (Format.ANSOR, re.compile(rb'\s*\{\s*"[ir]"\s*:\s*\[\s*\[')),
)


def detect(name: str, head: bytes) -> Format:
    """Tells what a file is.

    Args:
        name: the name of the file, without a compression's suffix.
        head: the first `HEAD_BYTES` bytes of the file, decompressed.

    Returns:
        The format of the file.
    """
    if head[257:262] == b"ustar":
        return Format.TAR
    for line in head.splitlines()[:_HEAD_LINES]:
        for form, pattern in _LINE_FORMS:
            if pattern.match(line):
                return form
    base = PurePosixPath(name).name.lower()
    if base.endswith((".json", ".jsonl", ".log")):
        if "tuning_record" in base:
            return Format.RECORDS
        if base.endswith("workload.json") or base.endswith("workloads.json"):
            return Format.WORKLOADS
    return Format.UNKNOWN


def plain_name(name: str) -> str:
    """A file's name without the suffix of a compression."""
    for suffix in COMPRESSED_SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def partner_name(records: str) -> str:
    """Names the workload file that belongs to a record file by MetaSchedule's custom.

    Args:
        records: the name of the record file.

    Returns:
        The name of its workload file; "" if the custom says nothing.
    """
    path = PurePosixPath(records)
    if "tuning_record" not in path.name:
        return ""
    return str(path.with_name(path.name.replace("tuning_record", "workload")))
