"""The files that belong to the store: saved models and computed features. Reading is for all, writing for admins."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from service.replies import PROBLEMS, body_of, message
from service.state import service_of
from tunedb.store.artifacts import checked_name

router = APIRouter(responses=PROBLEMS)


@router.get("/v1/files", include_in_schema=False)
def names(request: Request, folder: str) -> Response:
    """The names of the files below a folder."""
    return message(service_of(request).store.artifacts.names(checked_name(folder)))


@router.get("/v1/files/{name:path}", include_in_schema=False)
def read(request: Request, name: str) -> Response:
    """A file's content."""
    content = service_of(request).store.artifacts.read(checked_name(name))
    return Response(content, media_type="application/octet-stream")


@router.put("/v1/files/{name:path}", status_code=204, include_in_schema=False)
def write(request: Request, name: str, body: bytes = Depends(body_of)) -> Response:
    """Writes a file."""
    service_of(request).store.artifacts.write(checked_name(name), body)
    return Response(status_code=204)


@router.delete("/v1/files/{name:path}", status_code=204, include_in_schema=False)
def delete(request: Request, name: str) -> Response:
    """Removes a file."""
    service_of(request).store.artifacts.delete(checked_name(name))
    return Response(status_code=204)
