"""Listen on an address until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from comodal.contracts import InputError

__all__ = ["listen", "run_server"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address."""
    if not 0 <= port < 65536:
        raise InputError(f"--port {port}: give a number from 0 to 65535", code="out_of_range")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise InputError(
            f"{host}:{port} cannot be listened on ({error.strerror}); give another --port, 0 for any that is free, or "
            "another --host",
            code="unavailable",
        ) from error
    return bound


def run_server(app: Any, bound: socket.socket) -> None:
    """Serve an application until Ctrl-C or SIGTERM."""
    import uvicorn  # noqa: PLC0415 - an extra

    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
