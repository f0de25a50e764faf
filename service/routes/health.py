"""Whether the service is alive, whether it can do its work, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse

from service import metrics
from service.problems import answer
from service.replies import PROBLEMS, document
from service.state import service_of

router = APIRouter()


@router.get("/healthz")
def healthz(request: Request) -> Response:
    """Whether the process answers at all."""
    return document(request, {"status": "ok"})


@router.get("/readyz", responses={503: PROBLEMS[503]})
def readyz(request: Request) -> Response:
    """Whether the store can be read and what is pushed would be committed."""
    service = service_of(request)
    service.store.version()
    if not service.writer.is_alive:
        return answer(503, "store-away", "nothing would be committed", {"Retry-After": "5"})
    return document(request, {"status": "ok"})


@router.get("/metrics", responses=PROBLEMS, response_class=PlainTextResponse)
def prometheus(request: Request) -> Response:
    """Counters, as Prometheus reads them."""
    return Response(service_of(request).metrics.text(), media_type=metrics.MEDIA_TYPE)
