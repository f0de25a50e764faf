"""What is believed of what was never measured: `GET /v1/nearest/{workload}` and `POST /v1/predict`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.openapi import DOCUMENT, json_body
from service.predicting import PredictRequest, predicted
from service.replies import PROBLEMS, body_of, document, json_of
from service.state import service_of
from tunedb.documents import answers
from tunedb.errors import UsageError
from tunedb.query.nearest import MOST, Asked, nearest

router = APIRouter(responses={**PROBLEMS, 200: DOCUMENT})

_DIGITS = 9
_Extents = Annotated[str, Query(max_length=200, description="Of an operator that is named: 128,256,64.")]


@router.get("/v1/nearest/{workload}")
def near(
    request: Request,
    workload: str,
    target: Annotated[str, Query(min_length=1, max_length=4096, description="What it is to run on.")],
    extents: _Extents = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 8,
) -> Response:
    """The best evidence for a workload that was never measured on a target: workloads like it, and other targets.

    The workload is one of the store's, by hash; or, with `extents`, the name of an operator.
    """
    store = service_of(request).store
    if extents:
        asked = Asked(workload, _sizes(extents))
    else:
        known = store.resolve_workload(workload)
        asked = Asked(known.family, known.extents, known.workload_id)
    return document(request, answers.nearest(nearest(store, asked, store.resolve_target(target), limit)))


@router.post("/v1/predict", openapi_extra={"requestBody": json_body("PredictRequest")})
def predict(request: Request, body: bytes = Depends(body_of)) -> Response:
    """What the promoted model of a target says of candidates of one workload: log latency over the workload's best, in
    nats, with its standard deviation.
    """
    asked: PredictRequest = json_of(body, PredictRequest, "the request")
    service = service_of(request)
    return document(request, predicted(service.store, asked, service.settings.limits.json_depth).document())


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) <= _DIGITS and int(part) for part in parts):
        raise UsageError(f"{text[:80]!r} are no extents: whole numbers from 1 on, with commas between them")
    return tuple(map(int, parts))
