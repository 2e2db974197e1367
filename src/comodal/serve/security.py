"""What stands between the network and the page: whose name it answers to, how much it reads, what browsers may do."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comodal.contracts import InputError

__all__ = ["PAGE_POLICY", "BodyTooLarge", "SecurityHeaders", "answered_names", "limited_body"]

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
# The page states its own policy, down to the scripts it may run; this adds what only a header can say.
PAGE_POLICY = (
    "default-src 'unsafe-inline' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class BodyTooLarge(Exception):  # noqa: N818 - a status, 413
    """A request says more than any question needs."""


def answered_names(host: str, allowed: tuple[str, ...]) -> list[str]:
    """The names in a Host header that are answered: any other page that had its name lead here gets nothing.

    Args:
        host: address to listen on.
        allowed: further names.

    Raises:
        InputError: all addresses are listened on and nobody said under which name.

    Example:
        >>> answered_names("127.0.0.1", ())
        ['127.0.0.1', 'localhost', '[::1]', '::1']
        >>> answered_names("0.0.0.0", ())
        Traceback (most recent call last):
        comodal.contracts.InputError: --host 0.0.0.0 listens on every address: say under which names it is reached ...
    """
    if host in _EVERY_INTERFACE and not allowed:
        raise InputError(
            f"--host {host} listens on every address: say under which names it is reached (--allow NAME,...)"
        )
    own = () if host in _EVERY_INTERFACE else (host, f"[{host}]") if ":" in host else (host,)
    return list(dict.fromkeys([*LOOPBACK, *own, *allowed]))


class SecurityHeaders:
    """Every answer forbids framing, sniffing and caching, and all content unless it brings a policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", _NOTHING)
            await send(message)

        await self.app(scope, receive, with_headers)


async def limited_body(request: Request) -> bytes:
    """The body of a request, whatever length it claims.

    Raises:
        BodyTooLarge: it goes on beyond what any question needs.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise BodyTooLarge
    return body
