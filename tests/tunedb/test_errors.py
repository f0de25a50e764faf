import copy

import pytest

from tests.tunedb.samples import AROUND, OTHER_TARGET, TARGET, trial, workload
from tunedb import open_store
from tunedb.errors import AmbiguousPrefixError, NotFoundError, StoreSchemaError, TunedbError, first_line, last_line


@pytest.fixture
def store():
    with open_store("memory:") as opened:
        opened.append([trial(number) for number in range(40)], **AROUND)
        opened.append([], workloads=[workload(f"w{number}") for number in range(40)], targets=[OTHER_TARGET])
        yield opened


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda store: store.resolve_workload("zz"), "workload"),
        (lambda store: store.workload("zz"), "workload"),
        (lambda store: store.resolve_target("zz"), "target"),
        (lambda store: store.module("zz"), "module"),
        (lambda store: store.trial("zz"), "record"),
    ],
)
def test_what_is_not_found_says_what_was_asked(store, ask, kind):
    with pytest.raises(NotFoundError) as caught:
        ask(store)
    assert (caught.value.kind, caught.value.asked) == (kind, "zz")


def test_an_ambiguous_prefix_carries_whole_ids(store):
    with pytest.raises(AmbiguousPrefixError) as caught:
        store.resolve_target("llvm")
    assert caught.value.kind == "target"
    assert set(caught.value.matches) == {TARGET.target_id, OTHER_TARGET.target_id}
    ids = [row.workload_id for row in store.workloads()]
    first = next(digit for digit in "0123456789abcdef" if sum(row.startswith(digit) for row in ids) > 1)
    with pytest.raises(AmbiguousPrefixError) as caught:
        store.resolve_workload(first)
    assert list(caught.value.matches) == sorted(row for row in ids if row.startswith(first))


def test_a_store_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        open_store(tmp_path / "nowhere", create=False)
    assert (caught.value.kind, caught.value.asked) == ("store", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("gone", kind="workload", asked="5f"),
        AmbiguousPrefixError("two", kind="record", asked="5", matches=["51", "52"]),
        StoreSchemaError("old", found=1, expected=2),
    ],
)
def test_a_copy_of_an_error_carries_the_same(error):
    again = copy.copy(error)  # by what pickle goes by too
    assert isinstance(again, TunedbError)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_one_line_of_an_error():
    error = ValueError("  what\n\nstack\n  cause  \n")
    assert (first_line(error), last_line(error)) == ("what", "cause")
    assert first_line(ValueError()) == last_line(ValueError("\n")) == "ValueError"
    assert len(last_line(ValueError("x" * 10_000))) == 500


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x"),
        (
            OSError("Generic LocalFileSystem error\n \x1b[31m↳\x1b[0m Unable\n \x1b[31m↳\x1b[0m it is odd\n"),
            "it is odd",
        ),
        (OSError("Generic error\n \x1b[31m↳\x1b[0m Permission denied (os error 13)\n"), "Permission denied"),
        (OSError('no folder: /x\nError: Os { code: 30, kind: ReadOnly, message: "..." }'), "Read-only file system"),
        (OSError(28, "Failed to open local file '/x'. Detail: [errno 28] No space"), "No space left on device"),
    ],
)
def test_the_word_of_the_operating_system_is_the_cause(error: OSError, cause: str) -> None:
    assert first_line(error) == cause
