"""Pages as HTML 5: one plain layout, no program, nothing from outside the lab, readable on a phone and in the dark."""

from __future__ import annotations

import zlib
from html import escape

from crawler.lab.pictures import describe
from crawler.lab.site import DOMAIN, Page, Picture, Site

_STYLE = """
:root{color-scheme:light dark;--ink:light-dark(hsl(HUE 60% 27%),hsl(HUE 70% 80%));
--rule:light-dark(hsl(HUE 30% 82%),hsl(HUE 20% 32%))}
*{box-sizing:border-box}
body{margin:0 auto;max-width:42rem;padding:1.25rem;font:1.0625rem/1.6 Georgia,"Times New Roman",serif;
background:light-dark(hsl(HUE 40% 98%),hsl(HUE 18% 11%));color:light-dark(#222,#e6e3df)}
h1{line-height:1.2;font-size:1.75rem;margin:.5rem 0 1rem;color:var(--ink)}
a{color:var(--ink);text-underline-offset:.15em}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;
margin:0;padding:.5rem 0;border-bottom:1px solid var(--rule)}
nav a{display:inline-block;padding:.3rem 0}
main{margin-top:1.25rem}
figure{margin:1.5rem 0}
img{display:block;max-width:100%;height:auto;border-radius:.4rem}
figcaption{font-size:.9rem;opacity:.8;margin-top:.4rem}
.story{font-size:1.2rem}
footer{margin-top:2rem;border-top:1px solid var(--rule);font-size:.9rem;padding-top:.6rem}
"""


def render(site: Site, page: Page) -> bytes:
    """The page as the server sends it, but for the port in its URLs."""
    is_front = page.path == "/"
    title = site.title if is_front else page.title
    head = "".join(f'<meta name="{escape(name)}" content="{escape(content)}">\n' for name, content in page.meta)
    if page.json_ld:
        # "<" may end the element early, and JSON has another spelling for it
        data = page.json_ld.replace("<", "\\u003c")
        head += f'<script type="application/ld+json">{data}</script>\n'
    story = f'<p class="story">{escape(site.story)}</p>\n' if is_front else ""
    text = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in page.text)
    figures = "".join(_figure(site, picture) for picture in page.pictures)
    links = "".join(f'<li><a href="{escape(url)}">{escape(words)}</a></li>\n' for url, words in page.links)
    body = story + text + figures + (f"<ul>\n{links}</ul>\n" if links else "")
    whole = title if is_front else f"{title} – {site.title}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(whole)}</title>\n{head}"
        f"<style>{_STYLE.replace('HUE', str(_hue(site.name)))}</style>\n</head>\n<body>\n"
        f"{_menu(site, page)}<main>\n<h1>{escape(title)}</h1>\n{body}</main>\n"
        f'<footer>One of the sites of the lab. <a href="http://guide.{DOMAIN}/">All of them</a></footer>\n'
        "</body>\n</html>\n"
    ).encode()


def _menu(site: Site, here: Page) -> str:
    items = []
    for page in site.pages:
        if page.listed or page is here:
            current = ' aria-current="page"' if page is here else ""
            items.append(f'<li><a href="{escape(page.path)}"{current}>{escape(page.title)}</a></li>\n')
    return f'<nav aria-label="This site">\n<ul>\n{"".join(items)}</ul>\n</nav>\n'


def _figure(site: Site, picture: Picture) -> str:
    elsewhere = f"http://{picture.host}.{DOMAIN}" if picture.host not in ("", site.name) else ""
    width, height = picture.size
    source = escape(elsewhere + picture.path)
    return (
        f'<figure>\n<img src="{source}" width="{width}" height="{height}" alt="{escape(describe(picture))}">\n'
        f"<figcaption>{escape(picture.title)}</figcaption>\n</figure>\n"
    )


def _hue(name: str) -> int:
    return zlib.crc32(name.encode()) % 360
