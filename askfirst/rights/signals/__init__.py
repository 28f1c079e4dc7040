"""Every rights signal that is read, one file each.

A new signal is one file here, one line in ``READERS`` and a case file under tests/cases/: ``plan`` asks every reader
what it looks at, and everything else prints whatever evidence it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from askfirst.rights.policy import Mode
from askfirst.rights.reader import Reader
from askfirst.rights.signals import (
    ai_txt,
    disallow_ai_training,
    meta_robots,
    registry_records,
    robots_older,
    robots_txt,
    tdm_file,
    tdm_header,
    tdm_meta,
    x_robots_tag,
)

READERS: Sequence[Reader] = (
    robots_txt.READER,
    robots_older.READER,
    disallow_ai_training.READER,
    ai_txt.READER,
    tdm_file.READER,
    tdm_header.READER,
    tdm_meta.READER,
    x_robots_tag.READER,
    meta_robots.READER,
    registry_records.READER,
)

PROTOCOLS: Mapping[str, Mode] = {reader.protocol: reader.mode for reader in READERS}
"""The protocols that a policy may set a mode for, as ``Signal.protocol`` names them, and their mode otherwise."""
