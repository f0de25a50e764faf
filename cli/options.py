"""Options that every command has, and that are declared once."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Folder or URL of the store.  [default: $TUNEDB_STORE, else ~/.local/share/tunedb]",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="V", help="The store as it was: a version (see stats) or a time (2026-11-20T21:00)."
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask", metavar="ADDRESS", help="Compute on this Dask cluster, whose workers must be able to open the store."
    ),
]
Seed = Annotated[
    int,  # as wide as every reader of JSON has them
    typer.Option("--seed", metavar="S", min=0, max=2**53 - 1, help="Seed of all randomness."),
]
RunTimeout = Annotated[
    float | None,
    typer.Option("--run-timeout", metavar="SECS", help="Longest measurement of a candidate.  [default: 20]"),
]
BuildTimeout = Annotated[
    float | None,
    typer.Option(
        "--build-timeout",
        metavar="SECS",
        help="Longest build of a candidate.  [default: 15, less where builds usually take much less]",
    ),
]


RpcTracker = Annotated[
    str | None,
    typer.Option(
        "--rpc-tracker",
        metavar="HOST:PORT",
        help="Measure on the servers of this RPC tracker of TVM's, for --target. It asks nobody who they are.",
    ),
]
RpcKeys = Annotated[
    list[str] | None,
    typer.Option("--rpc-key", metavar="KEY", help="Of the servers at the tracker; repeatable."),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECS", min=0.0, help="How long there may be no server at the tracker before the run ends."
    ),
]
Cores = Annotated[
    str | None,
    typer.Option("--cores", metavar="LIST", help="Of this machine, such as 0-3,6: nothing runs on others."),
]
CrossCompiler = Annotated[
    str | None,
    typer.Option(
        "--cross-compiler",
        metavar="CXX",
        help="Links for another architecture.  [default: ARCH-linux-gnu-g++, where it is installed]",
    ),
]
Near = Annotated[
    bool,
    typer.Option("--near", help="Where the target has no record, let the nearest target that has some stand in."),
]
TvmRuntime = Annotated[
    Path | None,
    typer.Option(
        "--tvm-runtime",
        metavar="FOLDER",
        help="TVM's wheels for another architecture, or their libraries: what is emulated here runs with them.",
    ),
]


class LayoutName(StrEnum):
    """How a network's images lie in memory."""

    NCHW = "NCHW"
    NHWC = "NHWC"


Layout = Annotated[
    LayoutName | None,
    typer.Option("--layout", help="Of convolutions, within the network.  [default: what is believed to be faster]"),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=SHAPE",
        help="Of an input, such as input=1x3x224x224; repeatable: several of one input are as many networks.",
    ),
]
ExampleInput = Annotated[
    Path | None,
    typer.Option(
        "--example-input", metavar="FILE", help="Of a PyTorch module: an .npz file with an array for each argument."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with documented keys.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr, only what went wrong.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def default_store() -> str:
    """The store of this user: a folder where the XDG base directory specification wants an application's data.

    Raises:
        UsageError: this user has no home.
    """
    base = os.environ.get("XDG_DATA_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as error:
        from tunedb.errors import UsageError

        raise UsageError("where is the store? This user has no home folder: give --store or TUNEDB_STORE") from error
    return str(folder / "tunedb")
