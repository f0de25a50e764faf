import dataclasses
import io
import json
import subprocess
import sys

import pytest

from cli.output import Answer, JsonOutput, Table, TextOutput
from cli.progress import Progress, trial_line
from search.recorder import TrialEvent
from tunedb.query.trace_text import trace_lines
from tunedb.records import Outcome, Trace

ANSWER = Answer(
    {"number": 1, "none": None}, [Table(["name", "trials"], [["é", "7"], ["ab", "12"]], frozenset({"trials"}))]
)


def test_text_table_aligns_columns():
    assert TextOutput().render(ANSWER) == "name  trials\n----  ------\né          7\nab        12\n"


def test_json_is_one_document_and_never_nan():
    assert json.loads(JsonOutput().render(ANSWER)) == {"number": 1, "none": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        JsonOutput().render(Answer({"number": float("nan")}, []))


def test_a_reader_that_goes_away_is_no_error():
    script = """
from cli.output import Answer, TextOutput
for _ in range(3):
    TextOutput().show(Answer({}, ["line"] * 100_000))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


def test_trace_as_text():
    trace = Trace(
        b'[["GetSBlock",[],["Z","main"],["b0"]],["SamplePerfectTile",["l2"],[2,64],["v3","v4"]],'
        b'["SampleCategorical",[],[[0,16],[0.5,0.5]],["v5"]],["Parallel",["l2"],[],[]],'
        b'["EnterPostproc",[],[],[]],["Vectorize",["l2"],[],[]]]',
        b"[[1,[8,16]],[2,1]]",
    )
    assert trace_lines(trace) == [
        "b0 = GetSBlock(Z, main)",
        "v3, v4 = SamplePerfectTile(l2, 2, 64)  # [8, 16]",
        "v5 = SampleCategorical([0, 16], [0.5, 0.5])  # 16",
        "Parallel(l2)",
        "# then 1 instructions of postprocessors",
    ]


@pytest.mark.parametrize("instructions", [b"garbage", b"[1]", b'[["Fuse"]]', b"{}"])
def test_what_is_no_trace_is_shown_as_it_is(instructions):
    assert isinstance(trace_lines(Trace(instructions, b"[]")), list)


def event(run_secs: float | None, best: float | None = 2e-5) -> TrialEvent:
    outcome = Outcome.OK if run_secs else Outcome.RUN_TIMEOUT
    return TrialEvent(
        number=3,
        total=64,
        task_name="matmul",
        outcome=outcome,
        secs=run_secs,
        best_secs=best,
        is_best=run_secs is not None and run_secs == best,
        error="" if run_secs else "took longer than 20 s",
        elapsed_secs=12.5,
        trial_id="ab",
    )


def test_progress_without_a_terminal_is_plain_lines():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.step(1, 2, "reading")
    progress.trial(event(3e-5))
    progress.trial(event(None))
    progress.trial(event(3e-5), with_task=True)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "trial  3/64       30 us    best      20 us    12.5 s",
        "trial  3/64  run_timeout: took longer than 20 s    best      20 us    12.5 s",
        "trial  3/64       30 us    best      20 us    12.5 s  matmul",
    ]


def test_a_repeat_is_told_apart_and_the_best_says_its_passes():
    again = dataclasses.replace(event(3e-5, 3e-5), is_repeat=True, best_passes=2)
    assert trial_line(again) == "again             30 us *  best      30 us (2 passes)    12.5 s"


def test_progress_on_a_terminal_keeps_improvements_and_cleans_up():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream)
    progress.trial(event(3e-5))
    progress.trial(event(2e-5))
    progress.close()
    drawn = stream.getvalue().replace("\r", "").split("\x1b[2K")
    assert [text for text in drawn if text.startswith("trial")] == [trial_line(event(2e-5)) + "\n"]
    assert drawn[-1] == ""
