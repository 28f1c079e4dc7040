"""``askfirst audit key`` and ``rotate-key``: the key that signs records on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from askfirst.gate import utc_now
from askfirst.ledger.keys import KeyFileError, KeyFolder
from askfirst.ports import SettingsError
from askfirst.wiring import keys_folder

Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="DIR", help="The folder of the key. Default: ASKFIRST_KEYS, else ~/.config/askfirst."
    ),
]


def key(keys: Keys = None) -> None:
    """Print the public key that signs records here; made now when there is none. Give it to reviewers."""
    try:
        verifier = KeyFolder(keys or keys_folder()).current().verifier
    except KeyFileError as error:
        raise SettingsError(str(error)) from None
    Console(soft_wrap=True, highlight=False).print(verifier.vkey, markup=False)


def rotate_key(keys: Keys = None) -> None:
    """Put a new key in the place of the current one. The note of it, signed by both, goes into every later record."""
    folder = KeyFolder(keys or keys_folder())
    try:
        rotation = folder.rotate(utc_now())
    except KeyFileError as error:
        raise SettingsError(str(error)) from None
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"was: {rotation.old.vkey}", markup=False)
    console.print(f"is:  {rotation.new.vkey}", markup=False)
    console.print(f"the note is in {folder.folder}; what the old key signed still verifies", markup=False)
