"""``<meta name="tdm-reservation">`` and ``<meta name="tdm-policy">``: TDMRep, "TDM metadata in HTML content".

They speak of the HTML document, not of the images and other files that it displays, and supersede the header and the
file. The values are read by askfirst.rights.tdmrep, which also says what careful readers hear about the images; the
markup is read by askfirst.rights.html.

1. Wherever in the document the element stands: a later ``1`` reserves as well as an earlier one.
2. 0 is ``content="0"`` and nothing else; spaces around it are a protocol error, as any other value is.
"""

from __future__ import annotations

from askfirst.rights.html import elements
from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Named, Reader, Statement
from askfirst.rights.tdmrep import PROTOCOL, Place, Said, policies, properties, signals_of, with_page_images


def read_tdm_meta(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # TDMRep names no agents
    """What the document's markup says of it."""
    metas = [m for m in elements(observation).metas if m.name in {"tdm-reservation", "tdm-policy"}]
    if not metas:
        return SILENT
    statement = properties(
        observation,
        source="tdm-reservation meta",
        place=Place.META,
        spec='TDMRep "TDM metadata in HTML content"',
        reservations=[Said(m.content, m.at, m.text) for m in metas if m.name == "tdm-reservation"],
        policies=[Said(m.content, m.at, m.text) for m in metas if m.name == "tdm-policy"],
    )
    return with_page_images(observation, statement)


def policies_of_meta(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The policy beside a reservation."""
    return policies(signals_of(read_tdm_meta(observation, agent)))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE, Kind.PAGE),
    markup=True,
    parse=read_tdm_meta,
    names=policies_of_meta,
    supersedes=True,
)
