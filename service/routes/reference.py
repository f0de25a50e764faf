"""`GET /docs`: the API for people."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.reference import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def reference(request: Request) -> Response:
    """The page."""
    headers = {"Referrer-Policy": "same-origin"}
    return Response(page(request.app.openapi()), headers=headers, media_type="text/html; charset=utf-8")
