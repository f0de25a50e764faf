"""Kills a service, and clients of it, again and again under load: `python benchmarks/service_kills.py --rounds 50`.

Prints how many trials were acknowledged and stored, and how many of them were lost or stand twice.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.service.kills import kill_client, kill_service


def main() -> None:
    """Runs it, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--output", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    told = {}
    for name, kill in (("service", kill_service), ("client", kill_client)):
        with tempfile.TemporaryDirectory() as folder:
            told[name] = asdict(kill(Path(folder), given.rounds))
    text = json.dumps(told, indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
