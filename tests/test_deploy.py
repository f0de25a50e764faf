"""What deploys a service or an agent: the container file and the systemd units say what the verbs understand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

DEPLOY = Path(__file__).parent.parent / "deploy"
UNITS = {"tunedb.service": "serve", "tunedb-agent.service": "agent"}
INSTRUCTIONS = {
    "FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER", "WORKDIR", "ARG",
    "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """The container file's instructions, each with its arguments."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def options(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("--")]


def understood(verb: str = "serve") -> str:
    return CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output


def test_the_container_file_is_sound() -> None:
    found = instructions()
    assert found[0][0] == "FROM" and {name for name, _ in found} <= INSTRUCTIONS
    given = dict(found)
    assert given["STOPSIGNAL"] == "SIGTERM" and given["USER"] not in ("", "0", "root")
    command = [*json.loads(given["ENTRYPOINT"]), *json.loads(given["CMD"])]
    assert command[:2] == ["tunedb", "serve"]
    assert all(option in understood() for option in options(command))
    for name, told in found:
        if name == "COPY":
            assert all((DEPLOY.parent / source).exists() for source in told.split()[:-1]), told


@pytest.mark.parametrize(("name", "verb"), list(UNITS.items()))
def test_the_unit_starts_what_there_is(name: str, verb: str) -> None:
    unit = (DEPLOY / name).read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    words = command.split()
    assert words[0].endswith("/tunedb") and words[1] == verb
    assert all(option in understood(verb) for option in options(words))


@pytest.mark.parametrize("name", list(UNITS))
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path, name: str) -> None:
    unit = (DEPLOY / name).read_text().replace("/opt/tunedb/bin/tunedb", sys.executable)
    (tmp_path / name).write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def _engine() -> str | None:
    """A container engine that answers."""
    for name in ("podman", "docker"):
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True).returncode == 0:
            return name
    return None


@pytest.mark.slow
def test_the_container_is_built_and_runs() -> None:
    engine = _engine()
    if engine is None:
        pytest.skip("no container engine answers")
    build = [engine, "build", "-f", str(DEPLOY / "Containerfile"), "-t", "tunedb-test", str(DEPLOY.parent)]
    subprocess.run(build, check=True)
    said = subprocess.run([engine, "run", "--rm", "tunedb-test", "--version"], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.startswith("tunedb ")
    refused = subprocess.run([engine, "run", "--rm", "tunedb-test"], capture_output=True, text=True)
    assert refused.returncode == 2 and "token" in refused.stderr, "others can reach it, and there is no token"
