"""``reconcile serve``: the page, the API and monitoring by HTTP, as a user without rights, from what is published."""

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli.command_lines import again, line_of
from reconciler.cli.exit_codes import Exit
from reconciler.cli.loop_options import RUN_DIR, ServeOptions, serve_options
from reconciler.cli.output import say
from reconciler.cli.tree import command
from reconciler.watch.metrics import NoMetrics, require_library

_PACKAGES = "python3-jinja2, python3-starlette, python3-uvicorn and python3-prometheus-client"


@command("serve")
@serve_options
def serve_command(options: ServeOptions) -> Exit:
    """Show on a page what the loop publishes, as JSON for programs, and as metrics; for a user without rights.

    It answers at a socket in the run directory, or where --listen says, until a signal ends it. Nothing can be changed
    there.
    """
    check_server(options)
    from reconciler.serve.access import METRICS_ONLY, access_to
    from reconciler.serve.addresses import CannotListen, bound, is_given, is_path, url_of
    from reconciler.serve.answers import Now
    from reconciler.serve.application import application, serve
    from reconciler.watch.published import NotPublished, PublishedReader, boot_id

    boot = boot_id()
    reader = PublishedReader(Path(options.run_dir))
    try:
        listener = bound(options.address)
    except CannotListen as error:
        missing = options.listen is None and not os.path.isdir(options.run_dir)
        if missing:
            words = () if options.run_dir == RUN_DIR else ("--run-dir", os.path.abspath(options.run_dir))
            say(f"error: no loop has published anything in {options.run_dir}: there is no such directory")
            say(f"  next: {line_of(('watch', *words))}    # starts a loop, which publishes what it finds")
        else:
            say(f"error: {error}")
        if options.listen is None:  # no loop has made the directory yet, or this user may make nothing in it
            say(f"  next: {again(listen='127.0.0.1:9750')}    # a port of this machine, for each of its users")
        raise click.exceptions.Exit(Exit.USAGE) from error
    with listener:
        access = METRICS_ONLY if options.only else access_to(listener, options.allowed_host)
        app = application(reader, __version__, lambda: Now(boot, time.monotonic()), access)
        try:
            reader.read()
        except NotPublished as error:
            say(f"warning: {error}")
        pages = "" if options.only else "/, /api/status, /api/plan, /api/history, /api/events, "
        say(f"answering at {url_of(listener)}: {pages}/metrics, /healthz, /readyz")
        gc.enable()
        try:
            serve(listener, app)
        finally:
            if is_path(options.address) and not is_given():
                Path(options.address).unlink(missing_ok=True)
    return Exit.DONE


def check_server(options: ServeOptions) -> None:
    """See that the server would start with these options; nothing is bound.

    Raises:
        click.UsageError: it would not.
        click.exceptions.Exit: it would not, and what to run instead is said.
    """
    try:
        import reconciler.serve.application  # noqa: F401 - whether it can be imported is the question
        from reconciler.serve.access import NotAllowed, check_names
        from reconciler.serve.addresses import CannotListen, check_address, is_local_address

        require_library()
    except (ImportError, NoMetrics) as error:
        raise click.UsageError(
            f"'reconcile serve' needs more Python packages ({error}); "
            f"run pip install '.[web]' in a clone or, on Debian, install {_PACKAGES}"
        ) from error
    if options.only and (options.behind_proxy or options.allowed_host):
        name = "--behind-proxy" if options.behind_proxy else "--allowed-host"
        raise click.UsageError(f"{name} is for the page, which --only metrics leaves out: choose one of the two")
    try:
        check_names(options.allowed_host)
        check_address(options.address)
        is_local = is_local_address(options.address)
    except (CannotListen, NotAllowed) as error:
        raise click.UsageError(str(error)) from error
    if not options.only and not is_local and not (options.behind_proxy and options.allowed_host):
        say(*_exposed(options))
        raise click.exceptions.Exit(Exit.USAGE)


def _exposed(options: ServeOptions) -> Iterator[str]:
    """Why the page is not served at an address that other machines can reach, and what to run instead."""
    port = options.address.rpartition(":")[2]
    names = options.allowed_host or ("crypto.example",)
    yield f"error: other machines can reach {options.address}, and the page asks for no password and is not encrypted"
    here = again(listen=f"127.0.0.1:{port}", behind_proxy=None, allowed_host=None)
    yield f"  next: {here}    # for this machine alone"
    metrics = again(only="metrics", behind_proxy=None, allowed_host=None)
    yield f"  next: {metrics}    # for Prometheus: no page, and no name of a guest"
    proxied = again("--behind-proxy", allowed_host=names)
    yield f"  next: {proxied}    # behind a proxy that does both; name the host that browsers ask for"
