"""The web application: the page, and four requests of its panel."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comodal.contracts import InputError
from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import PanelRequest, parse_request
from comodal.serve.security import PAGE_POLICY, BodyTooLarge, SecurityHeaders, limited_body

__all__ = ["build_app"]

_LONGEST_QUERY = 200


def build_app(model: LiveModel, page: str, *, names: list[str]) -> Starlette:
    """Return the application."""
    html = page.encode()

    async def show(_: Request) -> Response:
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})

    async def facts(_: Request) -> Response:
        return JSONResponse(dict(model.facts))

    async def samples(request: Request) -> Response:
        query = request.query_params.get("q", "")
        if len(query) > _LONGEST_QUERY:
            raise InputError(f"q: give at most {_LONGEST_QUERY} characters", code="too_large")
        return JSONResponse(model.find(query, beside=request.query_params.get("beside", "")))

    def asking(question: Callable[[PanelRequest], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def ask(request: Request) -> Response:
            # Browsers let a page of another site send this type only after a preflight request, which is refused.
            if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                raise HTTPException(415, "send application/json")
            given = parse_request(_json(await limited_body(request)), model.modalities)
            return JSONResponse(await run_in_threadpool(question, given))

        return ask

    return Starlette(
        routes=[
            Route("/", show),
            Route("/api/facts", facts),
            Route("/api/samples", samples),
            Route("/api/predict", asking(model.answer), methods=["POST"]),
            Route("/api/attribute", asking(model.attribute), methods=["POST"]),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False),
        ],
        exception_handlers={InputError: _bad_input, HTTPException: _refused, BodyTooLarge: _too_large},
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("request: not JSON", code="damaged") from error


async def _bad_input(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def _refused(_: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (400, "refused")
    return JSONResponse({"error": detail}, status_code=status)


async def _too_large(_: Request, error: Exception) -> Response:
    del error
    return JSONResponse({"error": "request: too long"}, status_code=413)
