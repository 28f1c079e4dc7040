"""The law, pure: bytes, headers and the time come in as arguments, and nothing here touches the world.

``plan`` says where to look, ``read`` what was said there, ``decide`` what follows. See docs/adr/0001 for why this is
kept apart.
"""
