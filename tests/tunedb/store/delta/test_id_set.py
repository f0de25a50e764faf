"""Sets of ids: the same as a set of strings says, in less memory."""

from __future__ import annotations

import random

from tunedb.store.delta.id_set import IdSet


def test_it_knows_what_was_added_and_no_more() -> None:
    chance = random.Random(1)
    ids = [f"{chance.getrandbits(128):032x}" for _ in range(3_000)]
    alike = [ids[0][:16] + f"{number:016x}" for number in range(5)]  # with the first half of another
    odd = ["", "x", "0" * 31, "F" * 32, "é" * 32, "0" * 31 + "-", "0x" + "0" * 30, " " * 2 + "0" * 30]
    known, expected = IdSet(), set()
    for begin in range(0, 2_000, 37):
        added = ids[begin : begin + 37]
        known.update(added)
        expected.update(added)
    for one in (*odd[::2], *alike[::2], "0" * 32):
        known.update([one])
        expected.add(one)
    known.update([])
    assert len(known) == len(expected)
    asked = [*ids, *alike, *odd, "0" * 32, "f" * 32]
    chance.shuffle(asked)
    assert known.among(asked) == expected & set(asked)
    assert known.among([]) == IdSet().among(asked) == set()


def test_many_small_additions_stay_few_pieces() -> None:
    known = IdSet()
    for number in range(500):
        known.update([f"{number * 7919:032x}"])
    assert len(known._pieces) < 10 and len(known) == 500
    assert known.among([f"{number:032x}" for number in range(7919 * 2)]) == {f"{0:032x}", f"{7919:032x}"}
