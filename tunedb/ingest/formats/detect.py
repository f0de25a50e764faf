"""The format of a file, by its first lines; by its name only where they say nothing."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath

HEAD_BYTES = 1 << 16
_HEAD_LINES = 64
_TEXT_BYTES = 512
COMPRESSED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2")
TAR_SUFFIXES = (".tar", ".tgz", ".txz", ".tzst", ".tbz2", ".tbz", *(f".tar{suffix}" for suffix in COMPRESSED_SUFFIXES))
ZIP_SUFFIX = ".zip"
_WORDS = ("tuning_record", "database_workload")
_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "compressed by LZ4",
    b"LZIP\x01": "compressed by lzip",
    b"\x1f\x9d": "compressed by compress (.Z)",
    b"\x89LZO\0": "compressed by lzop",
    b"\xff\x06\0\0sNaPpY": "compressed by Snappy",
}


class Format(StrEnum):
    """What a file holds; the value is what a source's `format` says."""

    RECORDS = "metaschedule-json"
    WORKLOADS = "metaschedule-workloads"
    AUTOTVM = "autotvm"
    ANSOR = "ansor"
    TAR = "tar"
    ZIP = "zip"
    ORIGINS = "tunedb-origins"  # what our own exports say beside a MetaSchedule database
    SQLITE = "sqlite"
    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    T4 = "t4"  # the autotuning community's results, as Kernel Tuner writes them
    KERNEL_TUNER = "kernel-tuner"  # its cachefiles
    FOREIGN = "foreign"  # an archive or compression that is not read
    UNKNOWN = "unknown"


RECORD_FORMATS = (Format.RECORDS, Format.AUTOTVM, Format.ANSOR)
TABLES = (Format.PARQUET, Format.ARROW, Format.CSV)  # as `tunedb export` writes them
RESULTS = (Format.T4, Format.KERNEL_TUNER)
ARCHIVES = (Format.TAR, Format.ZIP)

_LINE_FORMS = (
    (Format.RECORDS, re.compile(rb"\s*\[\s*\d+\s*,\s*\[\s*\[")),
    (Format.WORKLOADS, re.compile(rb'\s*\[\s*"\d+"\s*,\s*"')),
    (Format.AUTOTVM, re.compile(rb'\s*\{\s*"(?:input|config|result)"\s*:')),
    (Format.AUTOTVM, re.compile(rb'\s*\{\s*"i"\s*:\s*\[\s*"')),  # AutoTVM v0.1
    (Format.ANSOR, re.compile(rb'\s*\{\s*"[ir]"\s*:\s*\[\s*\[')),
)


_CACHE_MEMBERS = (b"device_name", b"kernel_name", b"problem_size", b"tune_params_keys", b"tune_params", b"objective")
_FIRST_MEMBER = re.compile(rb'\s*\{\s*"(results|metadata|schema_version|%s)"\s*:' % b"|".join(_CACHE_MEMBERS))
_CACHE = re.compile(rb'"cache"\s*:\s*\{')
_RESULTS = re.compile(
    rb'"results"\s*:\s*\[\s*(?:\]|\{\s*"'
    rb'(?:timestamp|configuration|times|invalidity|correctness|objectives|measurements|tunedb)"\s*:)'
)

SQLITE = b"SQLite format 3\0"
_MAGIC = {
    SQLITE: Format.SQLITE,
    b'{"tunedb_origins":': Format.ORIGINS,
    b"PAR1": Format.PARQUET,
    b"ARROW1": Format.ARROW,
    b'"trial_id","workload_id",': Format.CSV,
    b"trial_id,workload_id,": Format.CSV,
}


def detect(name: str, head: bytes) -> Format:
    """Tells what a file is.

    Args:
        name: the name of the file, without a compression's suffix.
        head: the first `HEAD_BYTES` bytes of the file, decompressed.

    Returns:
        The format of the file.
    """
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return Format.TAR
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Format.ZIP
    for magic, form in _MAGIC.items():
        if head.startswith(magic):
            return form
    if head.startswith(tuple(_FOREIGN)):
        return Format.FOREIGN
    if b"\0" in head[:_TEXT_BYTES]:  # lines may be in it, as in an archive whose beginning is damaged
        return Format.UNKNOWN
    if (document := _document(head)) is not None:
        return document
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


def _document(head: bytes) -> Format | None:
    """What a JSON object over many lines is, by the members that it begins with."""
    if (first := _FIRST_MEMBER.match(head)) is None:
        return None
    if first[1] in _CACHE_MEMBERS:
        return Format.KERNEL_TUNER if _CACHE.search(head) and b'"tune_params_keys"' in head else None
    return Format.T4 if _RESULTS.search(head) else None


def foreign_name(head: bytes) -> str:
    """What a file of `Format.FOREIGN` is, for people."""
    return next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), "")


def looks_like_a_log(name: str) -> bool:
    """Whether a name promises what is read here: a log, or what logs are packed in."""
    base = PurePosixPath(name).name.lower()
    return base.endswith((".json", ".jsonl", ".log", *COMPRESSED_SUFFIXES, *TAR_SUFFIXES, ZIP_SUFFIX)) or any(
        word in base for word in _WORDS
    )


def _is_old_tar(head: bytes) -> bool:
    """Whether a tar of before 1988 begins, which has no magic: its first header's checksum says so."""
    stated = head[148:156].rstrip(b" \0").lstrip(b" ")
    if len(head) < 512 or not 1 <= len(stated) <= 7 or not set(stated) <= set(b"01234567"):
        return False
    return int(stated, 8) == sum(head[:148]) + 8 * 0x20 + sum(head[156:512])


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
