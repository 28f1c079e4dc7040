"""``tdm-reservation`` and ``tdm-policy`` as HTTP response fields: TDMRep, "TDM header fields in HTTP responses".

They speak of the response that carries them, and supersede the origin's file. The values are read by
askfirst.rights.tdmrep, which also says what a page's header says of the images that the page displays.

1. Field names in any case. Repeated fields and lists (``0, 1``) are read value by value.
2. ``tdm-policy`` is one URL and may hold a comma, so it is not taken apart.
"""

from __future__ import annotations

from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Named, Reader, Statement
from askfirst.rights.tdmrep import (
    MAX_VALUE_CHARS,
    PROTOCOL,
    Place,
    Said,
    policies,
    properties,
    signals_of,
    with_page_images,
)

_OPTIONAL_WHITESPACE = " \t"


def read_tdm_header(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # TDMRep names no agents
    """What the response's fields say of it."""
    said, named = _fields(observation, "tdm-reservation"), _fields(observation, "tdm-policy")
    if not said and not named:
        return SILENT
    statement = properties(
        observation,
        source="tdm-reservation header",
        place=Place.HEADER,
        spec='TDMRep "TDM header fields in HTTP responses"',
        reservations=[
            Said(value.strip(_OPTIONAL_WHITESPACE), field.at, field.text)
            for field in said
            for value in (field.value.split(",") if len(field.value) <= MAX_VALUE_CHARS else [field.value])
        ],
        policies=named,
    )
    return with_page_images(observation, statement)


def policies_of_header(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The policy beside a reservation."""
    if not _fields(observation, "tdm-policy"):
        return ()
    return policies(signals_of(read_tdm_header(observation, agent)))


def _fields(observation: Observation, name: str) -> list[Said]:
    return [
        Said(value.strip(_OPTIONAL_WHITESPACE), f"field {field}", f"{field}: {value}")
        for field, value in observation.headers
        if len(field) == len(name) and field.lower() == name
    ]


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE, Kind.PAGE),
    parse=read_tdm_header,
    names=policies_of_header,
    reads_body=False,
    fields=frozenset({"tdm-reservation", "tdm-policy"}),
)
