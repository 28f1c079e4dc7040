"""AskFirst: a crawler, and Scrapy middlewares, that ask first.

``askfirst.rights`` is the law and pure; ``askfirst.gate`` conducts one URL's way through; ``askfirst.wiring`` makes a
gate from settings. The doors are ``middlewares`` (Scrapy) and ``askfirst.cli``.
"""

__version__ = "0.1.0"
