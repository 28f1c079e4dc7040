"""Every rights signal that is read, one file each.

A new signal is one file here, one line in ``_FILES`` and a folder of cases under tests/cases/: ``plan`` asks every
reader what it looks at, and everything else prints whatever evidence it is given. The files are imported by name, so
that naming one is that one line; a file that offers no reader raises when the package is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from askfirst.rights.policy import Mode
from askfirst.rights.reader import Reader

_FILES: Final = (
    "robots_txt",
    "robots_older",
    "disallow_ai_training",
    "robots_named_bots",
    "robots_purpose_tokens",
    "aipref_robots",
    "aipref_header",
    "content_signals_robots",
    "content_signals_header",
    "ai_txt",
    "ai_txt_car",
    "trust_txt",
    "tdm_file",
    "tdm_header",
    "tdm_meta",
    "tdm_asset",
    "tdm_policy",
    "x_robots_tag",
    "meta_robots",
    "plus_data_mining",
    "c2pa_store",
    "c2pa_report",
    "rsl_associations",
    "rsl_license",
    "license_challenge",
    "license_header",
    "page_license",
    "work_rights",
    "security_txt",
    "registry_records",
)
"""In no order that matters: what is read is joined by the law."""


def _reader(name: str) -> Reader:
    reader: object = vars(import_module(f"{__name__}.{name}")).get("READER")
    if not isinstance(reader, Reader):
        raise TypeError(f"askfirst/rights/signals/{name}.py offers no READER")
    return reader


READERS: Sequence[Reader] = tuple(_reader(name) for name in _FILES)

PROTOCOLS: Mapping[str, Mode] = {reader.protocol: reader.mode for reader in READERS}
"""The protocols that a policy may set a mode for, as ``Signal.protocol`` names them, and their mode otherwise."""
