"""Logs that are damaged in every way: nothing that was not measured is stored, and nothing is lost without a word.

- What is stored was measured: each trial is one of the clean logs', by id and content. Where no checksum tells (plain
  files), a changed line may say something else; then the trial is what that line says.
- A record is never given to a workload that it was not measured for.
- Every line is stored, or its line, its file or its archive is named as rejected or skipped.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from typer.testing import CliRunner
from typing_extensions import override

from cli.main import app
from tests.faults.corpus import PACKINGS, UNCHECKED, Files, Truth, clean, said_run_secs, truth, unlinked, whole, write
from tests.faults.harness import Fuzzer
from tunedb.ingest.pipeline import ingest
from tunedb.ingest.report import IngestReport
from tunedb.records import Trial
from tunedb.store.memory import MemoryStore

_BY_COMMAND = 25  # one try in so many goes through the command, into a store on disk


class Readers(Fuzzer):
    """Bytes flipped, cut, moved and spliced, and files swapped, in every format and packing."""

    name = "readers"
    summary = "damaged logs in every format and packing: a subset of what was measured, and nothing lost in silence"
    short, full = 300, 30_000

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        name = rng.choice(sorted(clean()))
        packing = rng.choice(sorted(PACKINGS))
        files = dict(clean()[name])
        said = truth(name)
        harm = rng.choice([*_OF_CONTENT, *_OF_BYTES * 2])
        if harm in _OF_CONTENT:
            files = harm(files, rng)
            packed = PACKINGS[packing](files)
        else:
            packed = PACKINGS[packing](files)
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                victim = rng.choice(sorted(packed))
                packed[victim] = harm(packed[victim], rng)
        write(folder / "logs", packed)
        self.count("by command" if number % _BY_COMMAND == 0 else "in this process")
        about = f"{name}, {packing}, {harm.__name__.strip('_')}: "
        if number % _BY_COMMAND == 0:
            yield from (about + what for what in _by_command(folder))
            return
        store = MemoryStore()
        report = ingest(store, [folder / "logs"])
        changed = harm in _OF_CONTENT or packing in UNCHECKED
        raw = list(files.values()) if harm in _OF_CONTENT else list(packed.values()) if packing in UNCHECKED else []
        for what in judge(store, report, said, raw, named=names_of(clean()[name], packing), changed=changed):
            yield about + what


def names_of(files: Files, packing: str) -> dict[str, list[str]]:
    """The endings of the URIs that may stand for each clean file: its own, or that of the archive that it is in."""
    return {file: [*PACKINGS[packing]({file: b""}), file] for file in files}


def judge(
    store: MemoryStore,
    report: IngestReport,
    said: Truth,
    raw: list[bytes],
    *,
    named: dict[str, list[str]],
    changed: bool,
) -> Iterator[str]:
    """What is wrong with a store that damaged logs were read into.

    Args:
        store: the store.
        report: of the ingest.
        said: what the clean logs say.
        raw: the damaged files, where their lines can be seen in them; else none.
        named: by clean file, what it may be called in a rejection.
        changed: whether a line may say something else without anybody being able to tell.
    """
    odd_lines = [line for line in _split(raw) if line not in said.lines]
    odd_secs = Counter(secs for line in odd_lines if (secs := said_run_secs(line)) is not None)
    trials = list(store.trials())
    if len(trials) != report.added or report.added + report.duplicates != report.records:
        yield f"{report.records} read, {report.added} added, {report.duplicates} known, {len(trials)} stored"
    for trial in trials:
        yield from _judge_trial(trial, said, odd_secs, changed=changed)
    if problems := store.problems():
        yield f"unsound: {problems[0]}"
    yield from _lost(trials, report, said, raw, named)


def _judge_trial(trial: Trial, said: Truth, odd_secs: Counter[tuple[float, ...]], *, changed: bool) -> Iterator[str]:
    if whole(trial) in said.whole:
        return
    rest = unlinked(trial)
    if rest in said.workloads_of:
        measured_for = said.workloads_of[rest]
        if trial.workload_id in said.workload_ids and trial.workload_id not in measured_for:
            yield f"position {trial.position} is stored as a trial of another workload"
        elif not changed and trial.module_id:
            yield f"position {trial.position} is stored with a module that it was not measured with"
        return
    if not changed:
        yield f"position {trial.position} was not measured: {trial.run_secs} {trial.trace.decisions!r}"
    elif trial.run_secs and not odd_secs[trial.run_secs]:
        yield f"position {trial.position} is stored with run times that no line says: {trial.run_secs}"


def _lost(
    trials: list[Trial], report: IngestReport, said: Truth, raw: list[bytes], named: dict[str, list[str]]
) -> Iterator[str]:
    stored = {unlinked(trial) for trial in trials}
    if report.skipped_files:
        return  # told, with a count
    lines = set(_split(raw)) & said.trial_of_line.keys()
    wanted = lines if raw else said.trial_of_line.keys()
    missing = [line for line in wanted if unlinked(said.trial_of_line[line]) not in stored]
    if missing and not report.num_rejected:
        yield f"{len(missing)} of {len(wanted)} records are neither stored nor rejected"
    elif missing and raw and not any(bad.line == 0 for bad in report.rejected):
        rejected = {bad.content for bad in report.rejected}
        silent = [line for line in missing if line not in rejected]
        if silent:
            yield f"{len(silent)} whole records are neither stored nor rejected, such as {silent[0][:80]!r}"
    elif missing and not raw:
        uris = [bad.uri for bad in report.rejected]
        for file in named:
            if not any(uri.endswith(ending) for uri in uris for endings in named.values() for ending in endings):
                yield f"{file} is not among what was rejected: {uris}"


def _split(raw: list[bytes]) -> list[bytes]:
    """The lines of files; of a tar archive too, whose members begin after zeros."""
    return [line for content in raw for line in content.replace(b"\0", b"\n").split(b"\n")]


def _by_command(folder: Path) -> Iterator[str]:
    """The same by the command: its status and JSON."""
    words = ["ingest", str(folder / "logs"), "--store", str(folder / "store"), "--json"]
    done = CliRunner().invoke(app, words)
    if done.exit_code not in (0, 3, 4):
        yield f"status {done.exit_code}: {done.stderr[-200:]}"
        return
    said = json.loads(done.stdout)
    if done.exit_code != 3 and (done.exit_code == 4) != bool(said["rejected"]):
        yield f"status {done.exit_code} with {said['rejected']} rejected"


# -- damage of content: what somebody did to a log -------------------------------------------------------------------


def _pick(files: Files, rng: random.Random, part: str = "") -> str:
    return rng.choice([name for name in sorted(files) if part in name] or sorted(files))


def _lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _lines_spliced(files: Files, rng: random.Random) -> Files:
    """The head of a line and the tail of another, as two writers without a lock leave them."""
    name = _pick(files, rng)
    lines = _lines(files[name])
    for _ in range(rng.randint(1, 3)):
        first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[first] = lines[first][: rng.randrange(len(lines[first]) + 1)] + lines[second][rng.randrange(99) :]
    return {**files, name: _joined(lines)}


def _lines_moved(files: Files, rng: random.Random) -> Files:
    """Lines of one file within another."""
    source, into = _pick(files, rng), _pick(files, rng)
    lines = _lines(files[into])
    for line in rng.sample(_lines(files[source]), rng.randint(1, 2)):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return {**files, into: _joined(lines)}


def _lines_dropped(files: Files, rng: random.Random) -> Files:
    name = _pick(files, rng)
    lines = _lines(files[name])
    del lines[rng.randrange(len(lines))]
    return {**files, name: _joined(lines)}


def _lines_shuffled(files: Files, rng: random.Random) -> Files:
    name = _pick(files, rng)
    lines = _lines(files[name])
    rng.shuffle(lines)
    return {**files, name: _joined(lines)}


def _workload_files_swapped(files: Files, rng: random.Random) -> Files:
    """The workload file of another run, or of the same one in another order."""
    names = [name for name in sorted(files) if "workload" in name]
    if len(names) < 2:
        return _lines_shuffled({**files}, rng)
    contents = [files[name] for name in names]
    return {**files, **dict(zip(names, reversed(contents), strict=True))}


def _records_concatenated(files: Files, rng: random.Random) -> Files:
    """Two record files as one, beside the workload file of one of them."""
    names = [name for name in sorted(files) if "workload" not in name]
    into = rng.choice(names)
    return {**files, into: b"".join(files[name] for name in rng.sample(names, len(names)))}


def _file_gone(files: Files, rng: random.Random) -> Files:
    gone = _pick(files, rng)
    return {name: content for name, content in files.items() if name != gone} or files


def _file_emptied(files: Files, rng: random.Random) -> Files:
    return {**files, _pick(files, rng): rng.choice((b"", b"\n", b"null\n", b"{}", b"[]"))}


def _endings_changed(files: Files, rng: random.Random) -> Files:
    """Line ends of another system, blank lines, none at the end."""
    ending = rng.choice((b"\r\n", b"\n\n", b" \n"))
    return {name: content.replace(b"\n", ending)[: rng.choice((None, -1))] for name, content in files.items()}


# -- damage of bytes: what a disk, a copy or a kill does to a file ----------------------------------------------------


def _bit_flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _byte_changed(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _block_zeroed(content: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(content) + 1), rng.choice((16, 512, 4096))
    return content[:start] + bytes(len(content[start : start + size])) + content[start + size :]


def _block_dropped(content: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(content) + 1), rng.choice((1, 16, 512))
    return content[:start] + content[start + size :]


def _block_doubled(content: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(content) + 1), rng.choice((1, 16, 512))
    return content[:start] + content[start : start + size] + content[start:]


def _rubbish_added(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.choice((1, 16, 700)))


_OF_CONTENT = (
    _lines_spliced,
    _lines_moved,
    _lines_dropped,
    _lines_shuffled,
    _workload_files_swapped,
    _records_concatenated,
    _file_gone,
    _file_emptied,
    _endings_changed,
)
_OF_BYTES = (_bit_flipped, _byte_changed, _cut_off, _block_zeroed, _block_dropped, _block_doubled, _rubbish_added)
