"""Writes `tunedb/program/tags.json`, what the installed TVM's tags stand for: `python -m tests.tunedb.make_tags`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TAGS = Path(__file__).parents[2] / "tunedb" / "program" / "tags.json"


def tags_of_tvm() -> dict[str, dict[str, Any]]:
    """The tags that the installed TVM knows, with the canonical fields of their targets."""
    import tvm

    from tunedb.identity import canonical_target

    return {
        str(name): json.loads(canonical_target(str(tvm.target.Target(str(name)))).text)
        for name in sorted(map(str, tvm.target.list_tags()))
    }


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}:{json.dumps(fields, sort_keys=True)}" for name, fields in tags_of_tvm().items()]
    TAGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
