"""The command line: ``askfirst crawl | check | explain | replay | audit | report | review | registry | cases | demo``.

Exit codes:

| code | means |
|---|---|
| 0 | done |
| 1 | the work was begun and could not be finished: a record or a file could not be written; a check that failed |
| 2 | the operator's mistake: a bad URL, purpose, policy, file or id; nothing was begun |
| 3 | ``check``: the site could not be reached, so nothing could be said |
| 130 | interrupted |

Every failure is one line on standard error: what, where, and what to do next.

Of the commands only the one that is asked for is imported: to look into a log takes no crawler.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.origins import UrlError
from askfirst.rights.policy import PolicyError

ABOUT = "Crawl only what the people who made it allow, test what a site says to crawlers, and explain every decision."
MISTAKES = (SettingsError, PolicyError, UrlError)
COMMANDS = ("crawl", "check", "explain", "replay", "report", "review", "demo", "audit", "registry", "cases")
"""Each is a function of a module of its name in this package, or an ``app`` where it has commands of its own."""


def run(arguments: Sequence[str]) -> None:
    """The command with these arguments; ends the process with its exit code where that is not 0."""
    try:
        app_for(arguments)(arguments, standalone_mode=True)
    except MISTAKES as error:
        _say(error)
        sys.exit(2)
    except EdgeError as error:
        _say(error)
        sys.exit(1)
    except KeyboardInterrupt:
        _say(KeyboardInterrupt("interrupted; what was decided is recorded, and the same command goes on from there"))
        sys.exit(130)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that these arguments begin with; with all of them where they begin otherwise."""
    app = typer.Typer(
        name="askfirst",
        help=ABOUT,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
    )
    app.callback()(_whole_program)  # without it one command alone would be no command
    asked = [name for name in COMMANDS if [name] == list(arguments[:1])]
    for name in asked or COMMANDS:
        module = import_module(f"askfirst.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"askfirst {version('askfirst')}")
        raise typer.Exit


def _whole_program(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """What ``askfirst`` takes before a command."""


def _say(error: BaseException) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"askfirst: {text}", markup=False)
