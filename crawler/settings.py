"""Scrapy settings of the crawl: ask first, go gently, keep only what was decided about.

Each can be changed with ``-s NAME=VALUE``. The gate's own settings (``ASKFIRST_…``) have their defaults in
``askfirst.wiring``.

1. INVARIANT: the resolver is the address guard, and no proxy stands between it and the web.
2. The frontier in the output directory is the crawl's memory: no JOBDIR, no filter of duplicates in this process.
3. Nothing is stored before it is decided about: no HTTP cache.
"""

from askfirst.wiring import DEFAULT_OUT, DEFAULT_USER_AGENT

BOT_NAME = "askfirst"
SPIDER_MODULES = ["crawler.spiders"]

ADDONS = {"middlewares.AskFirstAddon": 200}
TWISTED_DNS_RESOLVER = "middlewares.GuardedResolver"
DOWNLOADER_MIDDLEWARES = {
    "crawler.redirects.RedirectTargets": 50,
    # the guard would see the proxy's address and nobody else's
    "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
}
ITEM_PIPELINES = {"crawler.dataset.DatasetPipeline": 500}

ASKFIRST_OUT = DEFAULT_OUT
USER_AGENT = DEFAULT_USER_AGENT

# The frontier hands out every URL once, and breadth first.
DUPEFILTER_CLASS = "scrapy.dupefilters.BaseDupeFilter"
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"

CONCURRENT_REQUESTS = 32
# Of one response, and ours give one at most. Scrapy starts as many tasks for every response, whatever it gives.
CONCURRENT_ITEMS = 1
CONCURRENT_REQUESTS_PER_DOMAIN = 4
DOWNLOAD_DELAY = 0.25
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 0.5
AUTOTHROTTLE_TARGET_CONCURRENCY = 2.0
DOWNLOAD_TIMEOUT = 60
DOWNLOAD_MAXSIZE = 64 * 1024 * 1024
DOWNLOAD_WARNSIZE = 0
REDIRECT_MAX_TIMES = 5
RETRY_TIMES = 2

COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
HTTPCACHE_ENABLED = False
LOG_LEVEL = "INFO"
