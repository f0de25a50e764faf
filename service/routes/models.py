"""`GET /v1/models/{target}`: the model that predicts for a target, for those who start from it elsewhere."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Request, Response

from costmodels.documents import model_document
from costmodels.registry.choose import promoted, saved_models
from costmodels.registry.manifest import MANIFEST
from costmodels.registry.saved import saved_files
from service.openapi import DOCUMENT
from service.replies import PROBLEMS, document
from service.state import service_of
from tunedb.errors import NotFoundError

router = APIRouter(responses={**PROBLEMS, 200: DOCUMENT})


@router.get("/v1/models/{target}")
def model(request: Request, target: str) -> Response:
    """The promoted model of a target, else its newest: its manifest, and its files in base64."""
    store = service_of(request).store
    asked = store.resolve_target(target)
    chosen = promoted(store)
    own = [saved for saved in saved_models(store) if saved.manifest.trained_on.target_id == asked.target_id]
    if not own:
        raise NotFoundError(f"no model was trained for the target {target[:80]!r}", kind="model", asked=target[:80])
    name = chosen.get(asked.target_id)
    found = next((saved for saved in own if saved.manifest.name == name), own[-1])
    files = {MANIFEST: found.manifest.encoded(), **saved_files(store, found)}
    encoded = {path: base64.b64encode(content).decode() for path, content in sorted(files.items())}
    told = {**model_document(found, chosen), "location": f"/v1/files/{found.folder}"}
    return document(request, {"model": told, "files": encoded})
