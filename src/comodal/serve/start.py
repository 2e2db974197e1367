"""Serve the live page of a run: the report with a panel that asks the server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from comodal.contracts import Findings, InputError
from comodal.data.dataset import Dataset
from comodal.evaluation.gather import findings_of
from comodal.evaluation.runs import open_runs
from comodal.explain.explain import explained_run
from comodal.reports.page import render_page

__all__ = ["listen", "live_page", "serve"]


def serve(
    folder: str | Path,
    *,
    arm: str = "",
    seed: int | None = None,
    fit_critic: str = "",
    host: str = "127.0.0.1",
    port: int = 8000,
    allowed: tuple[str, ...] = (),
    source: str | Dataset | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the live page of one run of a folder until Ctrl-C.

    Args:
        folder: of `comodal train` or `comodal compare`, with weights.
        arm: ``fusion/measure`` of the run; the first with a penalty when empty.
        seed: of the run; the lowest when not given.
        fit_critic: measure of a critic to fit now, for a run without one.
        host: address to listen on.
        port: 0 for any free one.
        allowed: further allowed host names.
        source: where the data are now; their own place when not given.
        announce: called with the address once the page is ready.

    Raises:
        InputError: starlette or uvicorn is not installed, the address is not available, no such run, or no weights.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from comodal.serve.app import build_app  # noqa: PLC0415
        from comodal.serve.live_model import LiveModel  # noqa: PLC0415
        from comodal.serve.security import allowed_hosts  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError.needs_extra("serve", "live pages") from error
    names = allowed_hosts(host, allowed)
    with listen(host, port) as bound:  # first: fails at once where the port is in use
        runs = open_runs(folder, source=source)
        model = LiveModel.of(runs, explained_run(runs, arm=arm, seed=seed), fit_critic=fit_critic)
        app = build_app(model, live_page(findings_of(runs)), names=names)
        shown = f"[{host}]" if ":" in host else host
        announce(f"{model.facts['arm']}, seed {model.facts['seed']}: http://{shown}:{bound.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[bound])


def live_page(findings: Findings) -> str:
    """Return the report with its panel; it may ask its own server, and no other."""
    static = files("comodal.serve") / "static"
    html, script, style = ((static / f"panel.{ending}").read_text(encoding="utf-8") for ending in ("html", "js", "css"))
    return render_page(findings, panel=html, script=script, style=style)


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
