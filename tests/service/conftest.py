"""These tests need the extra `service`, which `dev` includes; without it none of them is collected."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("fastapi") and find_spec("uvicorn") and find_spec("prometheus_client") else ["*"]
