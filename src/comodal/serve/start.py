"""Serve the live page of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.dataset import Dataset
from comodal.evaluation.gather import findings_of
from comodal.evaluation.runs import open_runs
from comodal.explain.explain import explained_run

__all__ = ["serve"]


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
        from comodal.serve.app import build_app  # noqa: PLC0415 - an extra
        from comodal.serve.live_model import LiveModel  # noqa: PLC0415
        from comodal.serve.panel import live_page  # noqa: PLC0415
        from comodal.serve.security import allowed_hosts  # noqa: PLC0415
        from comodal.serve.server import listen, run_server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError.needs_extra("serve", "live pages") from error
    names = allowed_hosts(host, allowed)
    with listen(host, port) as bound:  # first: fails at once where the port is in use
        runs = open_runs(folder, source=source)
        model = LiveModel.of(runs, explained_run(runs, arm=arm, seed=seed), fit_critic=fit_critic)
        app = build_app(model, live_page(findings_of(runs)), names=names)
        shown = f"[{host}]" if ":" in host else host
        announce(f"{model.facts['arm']}, seed {model.facts['seed']}: http://{shown}:{bound.getsockname()[1]}/")
        run_server(app, bound)
