"""How the processors of a machine lie, by a tree of files as Linux has it: two nodes, two cores each, two threads."""

from pathlib import Path

import pytest

from tunedb.machine.topology import brief, numbers, placed, processors


@pytest.fixture
def root(tmp_path: Path) -> Path:
    system = tmp_path / "sys/devices/system"
    for number in range(8):
        topology = system / f"cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{number % 4},{number % 4 + 4}\n")
    (system / "cpu/cpufreq").mkdir()
    for node, listed in enumerate(("0-1,4-5", "2-3,6-7")):
        (system / f"node/node{node}").mkdir(parents=True)
        (system / f"node/node{node}/cpulist").write_text(f"{listed}\n")
    return tmp_path


def test_each_processor_has_its_core_and_node(root: Path) -> None:
    found = processors(root)
    assert [(one.number, one.siblings, one.node) for one in found][4:7] == [
        (4, (0, 4), 0),
        (5, (1, 5), 0),
        (6, (2, 6), 1),
    ]
    assert len(found) == 8


@pytest.mark.parametrize(
    ("chosen", "cores", "nodes", "told"),
    [
        ((0, 1), 2, (0,), []),
        ((0, 4), 1, (0,), ["0,4 some are threads of one core: they are 1 core"]),
        ((1, 2), 2, (0, 1), ["1-2 are on the NUMA nodes 0-1"]),
        ((0, 1, 4, 6), 3, (0, 1), ["they are 3 cores", "NUMA nodes 0-1"]),
    ],
)
def test_what_may_surprise_is_told(
    root: Path, chosen: tuple[int, ...], cores: int, nodes: tuple[int, ...], told: list[str]
) -> None:
    found = placed(chosen, processors(root))
    assert (found.cores, found.nodes) == (cores, nodes)
    sentences = found.told()
    assert len(sentences) == len(told)
    assert all(part in sentence for part, sentence in zip(told, sentences, strict=True))


def test_where_nothing_is_told_each_is_a_core_of_one_node(tmp_path: Path) -> None:
    assert processors(tmp_path) == ()
    assert placed({3, 1}, ()).told() == []


def test_lists_are_read_and_written() -> None:
    assert numbers("0-3,8\n") == (0, 1, 2, 3, 8)
    assert numbers("") == ()
    assert brief((8, 0, 1, 2, 3)) == "0-3,8"
