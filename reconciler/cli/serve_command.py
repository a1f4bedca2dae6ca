"""``reconcile serve``: answers monitoring by HTTP, as a user without rights, from what the loop publishes."""

import gc
import time
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli.exit_codes import Exit
from reconciler.cli.loop_options import serve_options
from reconciler.cli.output import say
from reconciler.cli.tree import command
from reconciler.watch.metrics import NoMetrics, require_library

_PACKAGES = "python3-starlette, python3-uvicorn and python3-prometheus-client"


@command("serve")
@serve_options
def serve_command(listen: str, run_dir: str) -> Exit:
    """Answer /metrics, /healthz and /readyz from what the loop publishes; for a user without rights.

    It runs until a signal ends it.
    """
    check_server(listen)
    from reconciler.serve.addresses import CannotListen, bound, url_of
    from reconciler.serve.answers import Now
    from reconciler.serve.application import application, serve
    from reconciler.watch.published import NotPublished, PublishedReader, boot_id

    boot = boot_id()
    reader = PublishedReader(Path(run_dir))
    app = application(reader, __version__, lambda: Now(boot, time.monotonic()))
    try:
        listener = bound(listen)
    except CannotListen as error:
        raise click.UsageError(str(error)) from error
    with listener:
        try:
            reader.read()
        except NotPublished as error:
            say(f"warning: {error}")
        say(f"answering at {url_of(listener)}: /metrics, /healthz, /readyz")
        gc.enable()
        try:
            serve(listener, app)
        finally:
            if listen.startswith(("/", "./")):
                Path(listen).unlink(missing_ok=True)
    return Exit.DONE


def check_server(listen: str) -> None:
    """See that the server would start with the address `listen`; nothing is bound.

    Raises:
        click.UsageError: it would not.
    """
    try:
        import reconciler.serve.application  # noqa: F401 - whether it can be imported is the question
        from reconciler.serve.addresses import CannotListen, check_address

        require_library()
    except (ImportError, NoMetrics) as error:
        raise click.UsageError(
            f"'reconcile serve' needs more Python packages ({error}); "
            f"install vfio-ap-reconciler[web] or, on Debian, {_PACKAGES}"
        ) from error
    try:
        check_address(listen)
    except CannotListen as error:
        raise click.UsageError(str(error)) from error
