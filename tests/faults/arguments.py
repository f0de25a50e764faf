"""Every option of every verb with every kind of odd value, as the Typer app itself lists them.

However a verb is called, it ends in time, with a documented status and a reason, and never with a traceback or with an
error that nobody foresaw. What stands on stdout under `--json` is JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typing_extensions import override

from cli.exit_codes import ExitCode
from cli.main import app
from tests.faults.harness import Fuzzer
from tests.faults.stores import prepare_store
from tunedb import open_store

_ROOT = Path(__file__).parents[2]
_LONGEST_SECS = 90.0  # on a machine that does much else
_BY_PROCESS = 40  # one try in so many is a process of its own, with a byte that is not UTF-8 where it comes so
_NOT_DRAWN = {"help", "version", "debug", "install_completion", "show_completion"}

_ODD = [
    "", " ", "-", "--", "---", "-1", "0", "-0", "1", "99999999999999999999", "-99999999999999999999", "1e400", "nan",
    "inf", "-inf", "0x10", "1_000", "١٢", "½", "1.5", "true", "null", "None", "[]", "{}", '{"kind":', '{"kind":"llvm"}',
    '{"kind":"llvm","num-cores":-3}', '{"kind":"cuda","arch":"sm_90a"}', "llvm -mcpu=znver5", "llvm -mcpu=nonsense",
    "llvm", "cuda", "é", "日本語", "e\u0301", "\u202e", "\ufeff", "\x1b[31m", "\n", "\t", "a\nb", "\r", "\x7f",
    "\udcff", "🎯" * 40, "x" * 5000, "a" * 300, "0" * 64, "f" * 32, "f", "00", "'", '"', "`", "\\", "%", "%s",
    "{0}", "{trials}", "$HOME", "*", "?", "[", "#", ";", "&", "|", "a b",
    "../..", ".", "..", "./none", "none/such", "./logs", "./store", "./file",
    "./file/x", "./full", "./loop", "./unreadable\n", "./empty", "s3://", "s3:// /", "gs://", "file:", "http://[", "://",
    "memory:", "1999-13-45", "2026-11-20T21:00", "9999-12-31T23:59:59.999999", "0001-01-01", "-infinity", "infinity",
    "2026-11-20T21:00+99:99", "SELECT 1", "SELECT * FROM trials", "SHOW TABLES", "DROP TABLE trials", "SELECT", ";;",
    "COPY trials TO 'x'", "ATTACH 'x'", "SELECT * FROM 'file'", "PRAGMA version", "SELECT 1; SELECT 2", "ef" * 20,
    "program.py:matmul", "program.py:none", "program.py", "program.py:", ":matmul", "broken.py:f", "exits.py:f",
    "model.onnx", "x.csv", "x.parquet", "x.arrow", "x.", ".csv", "x.csv/", "5s", "-5s", "0s", "1h", "1e9h", "5 years",
]  # fmt: skip

_UNENDING = {"agent", "dashboard", "serve"}  # which answer until they are told to end

_PROGRAMS = {
    "program.py": "raise ImportError('no such thing')\n",
    "broken.py": "def f(:\n",
    "exits.py": "import sys\nsys.exit(7)\n",
    "file": "not a log\n",
    "model.onnx": "not a model\n",
}


class Arguments(Fuzzer):
    """Verbs with arguments that nobody meant."""

    name = "arguments"
    summary = "odd values for every option of every verb: a documented status, a reason, JSON, and an end in time"
    short, full = 26, 4_000

    def __init__(self) -> None:
        super().__init__()
        group: Any = typer.main.get_command(app)
        ending = {name: verb for name, verb in group.commands.items() if name not in _UNENDING}
        self._verbs: dict[str, Any] = dict(sorted(ending.items()))
        self._caller: _Caller | None = None

    @override
    def prepare(self, folder: Path) -> None:
        self._place = folder / "place"
        prepare_store(self._place / "store", self._place / "logs")
        for name, text in _PROGRAMS.items():
            (self._place / name).write_text(text)
        (self._place / "empty").mkdir()
        (self._place / "full").symlink_to("/dev/full")
        (self._place / "loop").symlink_to("loop")
        with open_store(self._place / "store") as store:
            self._workloads = [row.workload_id for row in store.workloads()]
            self._targets = [target.target_id for target in store.targets()]
            self._trials = [row.trial_id for row in store.trials()]

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        place = folder / "a" / "b"
        shutil.copytree(self._place, place, symlinks=True)
        name = sorted(self._verbs)[number % len(self._verbs)]
        words = self._words(name, rng)
        self.count("by process" if number % _BY_PROCESS == 0 else "in one process")
        if number % _BY_PROCESS == 0:
            status, out, error, raised = _by_process(words, place)
        else:
            if self._caller is None:
                self._caller = _Caller()
            status, out, error, raised = self._caller.call(words, place)
            if status is None:
                self._caller = None
        self.count(f"with status {status}")
        shown = " ".join(f"{word!r:.60}" if word not in self._verbs else word for word in words)
        yield from (f"{shown}: {what}" for what in _judge(status, out, error, raised, as_json="--json" in words))

    def _words(self, name: str, rng: random.Random) -> list[str]:
        """A command line: what must be given, some of what may be, each well or oddly."""
        words, arguments = [name], []
        oddness = rng.choice((0.2, 0.6, 0.9))
        has_store = False
        for parameter in self._verbs[name].params:
            if parameter.name in _NOT_DRAWN or parameter.name == "as_json":
                continue
            if parameter.param_type_name == "argument":
                if parameter.required or rng.random() < 0.5:
                    times = rng.choice((1, 1, 2)) if parameter.nargs == -1 else 1
                    arguments += [self._value(parameter, rng, oddness) for _ in range(times)]
                continue
            if not parameter.required and rng.random() > 2 / len(self._verbs[name].params):
                continue
            option = rng.choice([*parameter.opts, *parameter.secondary_opts])
            has_store |= parameter.name == "store"
            if parameter.is_flag:
                words.append(option)
            else:
                words += [option, self._value(parameter, rng, oddness)]
        if not has_store:
            words += ["--store", "./store"]
        if rng.random() < 0.5:
            words.append("--json")
        if arguments and any(argument.startswith("-") for argument in arguments) and rng.random() < 0.7:
            return [*words, "--", *arguments]
        return [*words, *arguments]

    def _value(self, parameter: Any, rng: random.Random, oddness: float) -> str:
        if rng.random() < oddness:
            return rng.choice(_ODD) if rng.random() < 0.8 else rng.choice(_ODD) + rng.choice(_ODD)
        if isinstance(parameter.bare_type, type) and issubclass(parameter.bare_type, Enum):
            return str(rng.choice(list(parameter.bare_type)).value)
        if parameter.bare_type in (int, float):
            return rng.choice(("0", "1", "2", "3"))
        known = [*self._workloads, *self._targets, *self._trials, "matmul", "znver5", "./logs", "./store", "./out", "1"]
        value = rng.choice(known)
        return value[: rng.randint(4, len(value))] if len(value) == 32 else value

    @override
    def close(self) -> None:
        if self._caller is not None:
            self._caller.close()


_Result = tuple[int | None, str, str, str]  # status (None: none in time, or dead), stdout, stderr, what was raised


def _judge(status: int | None, out: str, error: str, raised: str, *, as_json: bool) -> Iterator[str]:
    """What is wrong with how a verb ended."""
    told = error.strip().splitlines()[-1][:300] if error.strip() else ""
    if status is None:
        yield f"it {raised}"
        return
    if raised:
        yield f"raised {raised}"
    if status not in {int(code) for code in ExitCode}:
        yield f"status {status} is not documented: {told}"
    if "Traceback (most recent" in error or "panicked at" in error:
        yield f"a traceback or panic, status {status}: {told}"
    if "(--debug shows where)" in error or '"kind": "unexpected"' in out:
        yield f"an error that nobody foresaw: {told}"
    if status and not error.strip() and not out.strip():
        yield f"status {status} without a reason"
    if as_json:
        try:
            document = json.loads(out)
        except ValueError:
            yield f"status {status}, and stdout is no JSON: {out[:100]!r}"
        else:
            if not isinstance(document, dict):
                yield "stdout is JSON, but no object"


def _environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TUNEDB", "XDG", "LD_PRELOAD"))}
    return {**kept, "HOME": str(place), "COLUMNS": "200", "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1"}


def _by_process(words: list[str], place: Path) -> _Result:
    """The verb as a person calls it."""
    command = [sys.executable, "-P", "-c", "from cli.main import main; main()", *words]
    try:
        done = subprocess.run(
            [word.encode("utf-8", "surrogateescape") for word in command],
            cwd=place,
            env=_environment(place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_SECS,
        )
    except subprocess.TimeoutExpired:
        return None, "", "", f"did not end in {_LONGEST_SECS:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), ""


class _Caller:
    """A process that calls verbs one after the other: imports are paid once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.caller"],
            cwd=_ROOT,
            env=_environment(_ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def call(self, words: list[str], place: Path) -> _Result:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request: dict[str, Any] = {"words": words, "place": str(place)}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = b""
        if select.select([self._process.stdout], [], [], _LONGEST_SECS)[0]:
            line = self._process.stdout.readline()
        if not line:
            died = self._process.poll()
            self.close()
            if died is None:
                return None, "", "", f"did not end in {_LONGEST_SECS:.0f} s"
            return None, "", "", f"ended the process with status {died}"
        reply = json.loads(line)
        return reply["status"], reply["out"], reply["error"], reply["raised"]

    def close(self) -> None:
        """Ends it, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.communicate()
