"""Protection of the live page: allowed Host headers, a limit on request bodies, security headers."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comodal.contracts import InputError

__all__ = ["PAGE_POLICY", "BodyTooLarge", "SecurityHeaders", "allowed_hosts", "limited_body"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_EVERY_INTERFACE = ("0.0.0.0", "::", "")  # noqa: S104 - refused without a name
_LARGEST_BODY = 16_384
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# The page has a policy of its own for scripts; this adds the directives that only a header can set.
PAGE_POLICY = (
    "default-src 'unsafe-inline' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class BodyTooLarge(Exception):  # noqa: N818 - a status, 413
    """The body of a request is longer than the limit."""


def allowed_hosts(host: str, allowed: tuple[str, ...]) -> list[str]:
    """Return the allowed Host headers (protects against DNS rebinding)."""
    if host in _EVERY_INTERFACE and not allowed:
        raise InputError(
            f"--host {host} listens on every address: name the hosts it is reached under (--allow NAME,...)",
            code="missing",
        )
    own = () if host in _EVERY_INTERFACE else (host, f"[{host}]") if ":" in host else (host,)
    return list(dict.fromkeys([*LOOPBACK, *own, *allowed]))


class SecurityHeaders:
    """Middleware that forbids framing, sniffing and caching, and all content unless the response has its own policy."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request and add the headers to its response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", _NOTHING)
            await send(message)

        await self.app(scope, receive, with_headers)


async def limited_body(request: Request) -> bytes:
    """Return the body of a request, whatever length it claims."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise BodyTooLarge
    return body
