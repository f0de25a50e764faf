"""`tunedb agent`: lets this machine measure for others, behind TVM's RPC tracker, and keeps it at that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Cores
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session
    from tunedb.records import Hardware, Target
    from tunedb.store.contract import Store

SUMMARY = "Let this machine measure for others"
EXAMPLES = (
    "tunedb agent --rpc-tracker 127.0.0.1:9190 --rpc-key rpi4",
    "tunedb agent --rpc-tracker 10.0.0.2:9190 --rpc-key epyc --host 10.0.0.7 --cores 2-9",
)


@verb
def command(
    run: Session,
    rpc_tracker: Annotated[
        str | None,
        typer.Option(
            "--rpc-tracker", metavar="HOST:PORT", help="The RPC tracker of TVM's that is told of it.  [needed]"
        ),
    ] = None,
    rpc_key: Annotated[
        str | None, typer.Option("--rpc-key", metavar="KEY", help="What runs ask the tracker for.  [needed]")
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="That it listens on. Whoever reaches it runs what they like."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65435, help="The first port to try.")] = 9090,
    custom_addr: Annotated[
        str | None,
        typer.Option("--custom-addr", metavar="ADDRESS", help="Where runs reach it, if not where the tracker does."),
    ] = None,
    cores: Cores = None,
    register: Annotated[
        bool, typer.Option("--register/--no-register", help="Measure the reference kernels first, for the store.")
    ] = True,
    limit: Annotated[
        float | None,
        typer.Option("--time-limit", metavar="SECS", min=0.001, help="End after so many seconds.  [default: none]"),
    ] = None,
) -> None:
    """Serve the programs of others' tuning runs on this machine, and start what dies again."""
    from search.measure import zygote
    from search.measure.cores import bind_to, parse_cores
    from tunedb.errors import UsageError

    if rpc_tracker is None or rpc_key is None:
        raise UsageError("a server is found by its tracker and key: give --rpc-tracker HOST:PORT and --rpc-key KEY")
    if cores is not None:
        bind_to(parse_cores(cores))
    zygote.prepare()
    from cli.output import Answer
    from search.measure.fleet.serving import Agent, ServerOptions
    from search.measure.fleet.tracker import parse_address
    from search.targets import local_target
    from tunedb.machine.hardware import this_machine

    tracker, machine = parse_address(rpc_tracker), this_machine()
    options = ServerOptions(
        tracker, rpc_key, host, port, port + 100, custom_addr, () if cores is None else parse_cores(cores)
    )
    if host not in ("127.0.0.1", "::1", "localhost"):
        run.progress.note(f"whoever reaches {host} runs what they like on this machine: keep it on a private network")
    target = local_target()
    if register:
        with run.open_store(create=True, writes=True) as store:
            run.progress.note(f"measuring the reference kernels of {machine.name}")
            _register(store, target, machine)
    run.finishes_on_signal, run.stopping = True, "stopping"
    run.progress.note(f"runs are for this machine with --target '{target.text}'")
    agent = Agent(options, run.progress.note)
    agent.run(run.stop, limit)
    found = {
        "key": rpc_key,
        "hardware": machine.name,
        "hardware_id": machine.hardware_id,
        "target": target.text,
        "restarts": agent.restarts,
    }
    times = "once" if agent.restarts == 1 else f"{agent.restarts} times"
    run.show(Answer(found, [f"served as {rpc_key}; the server was started again {times}"]))


def _register(store: Store, target: Target, machine: Hardware) -> None:
    """Measures what tells one machine from another, and stores it."""
    from search.measure.here import this_cpu
    from search.measure.reference_kernels import ReferenceKernels
    from search.sources import source_of

    source = source_of("reference", 0, "none")
    with this_cpu(target) as device:
        kernels = ReferenceKernels(device)
        trials = kernels.measure(source)
    store.append(
        trials,
        workloads=[workload for workload, _ in kernels.modules],
        modules=[module for _, module in kernels.modules],
        targets=[target],
        hardware=[machine],
        sources=[source],
    )
