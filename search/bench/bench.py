"""The bench: networks one after the other, of each every arm in turn, then their libraries side by side.

What is finished is on disk at once, and the same call goes on from there. An arm that fails is named with its cause;
the others go on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from search.bench import networks
from search.bench.arm import Told, Wanted, run_arm
from search.bench.libraries import ROUNDS, compared, time_libraries
from search.bench.results import Arm, Asked, Network, Results, goes_on, write_results
from search.bench.strategies import Strategy
from tunedb.errors import ChildDiedError, NotFoundError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.processes import Child
from tunedb.program.releases import installed
from tunedb.records import Target

OnStep = Callable[[int, int, str], None]
"""Told how many arms are done, of how many, and what is under way."""

_VERSIONS = ("tunedb", "apache-tvm", "xgboost", "lightgbm", "numpy")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared."""

    models: tuple[str, ...]  # as `search.networks.import_network` takes them
    strategies: tuple[Strategy, ...]
    seeds: tuple[int, ...]
    trials: int  # of each arm
    target: Target
    rounds: int = ROUNDS
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of inputs by name, in each of the models

    @property
    def asked(self) -> Asked:
        """The same for the document."""
        names = tuple(one.name for one in self.strategies)
        return Asked(self.models, names, self.seeds, self.trials, self.target.text, dict(self.shapes))

    @property
    def num_arms(self) -> int:
        """Networks times strategies times seeds."""
        return len(self.models) * len(self.strategies) * len(self.seeds)


def run_bench(
    plan: Plan, folder: Path, *, on_step: OnStep | None = None, stop: threading.Event | None = None
) -> Results:
    """Runs what is not finished of a bench.

    Args:
        plan: What is to be compared.
        folder: Where stores, libraries and `bench.json` lie; what it has of this very bench is taken as it is.
        on_step: Told what is under way.
        stop: When set, the bench ends within a second; what was finished stays finished.

    Returns:
        What is in `bench.json` now.

    Raises:
        UsageError: The folder holds another bench, or two models have one name.
        NotFoundError: There is no such model.
        BadInputError: Its document is damaged.
        StoreError: It cannot be written.
    """
    names = [_name(model) for model in plan.models]
    if len(set(names)) < len(names):
        raise UsageError(f"two models have one name: {', '.join(names)}")
    for model in plan.models:
        if not model.isprintable():
            raise UsageError(f"{model!r}: a bench writes its models' names down, and this one is no text")
        file = _file(model)
        if not file.is_file():
            raise NotFoundError(f"{file}: no such file", kind="file", asked=model)
    return _Bench(plan, folder, on_step or (lambda *_: None), stop or threading.Event()).run()


class _Bench:
    def __init__(self, plan: Plan, folder: Path, on_step: OnStep, stop: threading.Event) -> None:
        self.plan, self.folder, self.on_step, self.stop = plan, folder, on_step, stop
        versions = {name: installed(name) for name in _VERSIONS}
        fresh = Results(asked=plan.asked, machine=this_machine(), versions=versions, rounds=plan.rounds)
        known = goes_on(folder, plan.asked)
        if known is not None and known.machine != fresh.machine:
            raise UsageError(f"{folder} holds a bench of another machine ({known.machine.name}): give --out another")
        kept = {} if known is None else {"networks": known.networks, "arms": known.arms}
        self.results = msgspec.structs.replace(fresh, **kept)

    def run(self) -> Results:
        self._save()
        for model in self.plan.models:
            network = self._network(model)
            if network is not None:
                for strategy in self.plan.strategies:
                    for seed in self.plan.seeds:
                        self._arm(network, strategy, seed)
                self._compare(network)
        self.results = msgspec.structs.replace(self.results, interrupted=self.stop.is_set())
        self._save()
        return self.results

    def _network(self, model: str) -> Network | None:
        """A network; None where it cannot be tuned, which all its arms then say."""
        if self.stop.is_set():
            return None
        name = _name(model)
        known = next((one for one in self.results.networks if one.name == name), None)
        self._tell(f"{name}  looks at the network")
        child = Child(networks.look_at, networks.Wanted, networks.Looked, is_silent=True)
        try:
            wanted = networks.Wanted(model, dict(self.plan.shapes), self.plan.target, measures=known is None)
            looked = child.ask(wanted)
        except ChildDiedError as error:
            looked = networks.Looked(error=str(error))
        finally:
            child.close()
        if looked.network is None:
            for strategy in self.plan.strategies:
                for seed in self.plan.seeds:
                    self._keep(_failed(name, strategy, seed, looked.error))
            return None
        network = msgspec.structs.replace(looked.network, name=name)
        if known is None:
            self.results = msgspec.structs.replace(self.results, networks=(*self.results.networks, network))
            return network
        if known.digest != network.digest:
            raise UsageError(f"{model} has changed since {self.folder} was begun: give --out another folder")
        return known

    def _arm(self, network: Network, strategy: Strategy, seed: int) -> None:
        known = self.results.arm((network.name, strategy.name, seed))
        if self.stop.is_set() or (known is not None and known.is_tuned and (self.folder / known.library).is_file()):
            return
        place = f"{network.name}/{re.sub(r'[^a-z0-9]+', '-', strategy.name)}-s{seed}"
        trials = strategy.trials or self.plan.trials
        wanted = Wanted(network, strategy, seed, trials, self.plan.target, str(self.folder.absolute()), place)
        child = Child(run_arm, Wanted, Told, is_silent=True)
        label = f"{network.name} {strategy.name} seed {seed}"
        self._tell(f"{label}  begins")
        try:
            child.send(wanted)
            while not self.stop.is_set():
                told = child.receive()
                if told.text:
                    self._tell(f"{label}  {told.text}")
                if told.arm is not None:
                    self._keep(told.arm)
                    return
        except ChildDiedError as error:
            self._keep(_failed(network.name, strategy, seed, f"TVM: {error}"))
        finally:
            child.close()

    def _compare(self, network: Network) -> None:
        """Runs the libraries of a network's arms in turn, unless that was done with these very arms."""
        arms = [arm for arm in self._ordered() if arm.network == network.name and arm.is_tuned]
        against = {arm.against for arm in arms}
        if self.stop.is_set() or not arms or against == {arms[0].name}:
            return
        self._tell(f"{network.name}  runs {len(arms)} libraries in turn")
        threads = self.plan.target.num_cores or 1
        secs, errors = time_libraries([self.folder / arm.library for arm in arms], threads, self.plan.rounds)
        figures = compared(secs)
        first = arms[min(figures)].name if figures else ""
        for number, arm in enumerate(arms):
            latency, ratio = figures.get(number, (None, None))
            error = errors.get(number, "")
            self._put(msgspec.structs.replace(arm, latency_secs=latency, ratio=ratio, against=first, error=error))
        self._save()

    def _keep(self, arm: Arm) -> None:
        """An arm that is finished or has failed; those of its network are to be compared again with a finished one."""
        for other in self.results.arms if arm.is_tuned else ():
            if other.network == arm.network:
                self._put(msgspec.structs.replace(other, latency_secs=None, ratio=None, against=""))
        self._put(arm)
        self._save()

    def _put(self, arm: Arm) -> None:
        others = [one for one in self.results.arms if one.key != arm.key]
        self.results = msgspec.structs.replace(self.results, arms=(*others, arm))

    def _save(self) -> None:
        self.results = msgspec.structs.replace(self.results, arms=tuple(self._ordered()))
        write_results(self.folder, self.results)

    def _ordered(self) -> list[Arm]:
        """Arms in the order in which they are asked for."""
        names = [_name(model) for model in self.plan.models]
        strategies = [one.name for one in self.plan.strategies]

        def order(arm: Arm) -> tuple[int, int, int]:
            return names.index(arm.network), strategies.index(arm.strategy), self.plan.seeds.index(arm.seed)

        return sorted(self.results.arms, key=order)

    def _tell(self, text: str) -> None:
        done = sum(1 for arm in self.results.arms if arm.is_tuned or arm.error)
        self.on_step(done, self.plan.num_arms, text)


def ranked(arms: Sequence[Arm]) -> list[Arm]:
    """Arms by network, in each those that failed first, then the slowest against the first arm: losses first."""
    networks_in_order = list(dict.fromkeys(arm.network for arm in arms))
    return sorted(
        arms, key=lambda arm: (networks_in_order.index(arm.network), not arm.error, -(arm.ratio or float("inf")))
    )


def _failed(network: str, strategy: Strategy, seed: int, error: str) -> Arm:
    return Arm(network=network, strategy=strategy.name, seed=seed, predicts=strategy.predicts, error=error)


def _name(model: str) -> str:
    """What a network is called: its file's name or the Python object's."""
    path, colon, attribute = model.rpartition(":")
    return attribute if colon and path.endswith(".py") else Path(model).stem


def _file(model: str) -> Path:
    path, colon, _ = model.rpartition(":")
    return Path(path if colon and path.endswith(".py") else model)
