"""Templates and static files: one Jinja environment, rendered in a thread.

In: a template's name and its values. Out: HTML.
A page of a trace with 2 000 spans takes 0.1 s to render, so rendering is not done on the event loop. Everything that is
put into a page is escaped (``autoescape``), whatever a container or a span is called.
"""

import hashlib
import re
from datetime import UTC, datetime
from importlib.resources import files

import trio
from jinja2 import Environment, PackageLoader, StrictUndefined
from quart import Response

from alloytrio.admin import words

PAGES = (
    ("Overview", "/"),
    ("Live", "/live"),
    ("Traces", "/traces"),
    ("Logs", "/logs"),
    ("Metrics", "/series"),
    ("Configuration", "/configuration"),
)
CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}


# Controls but for tabs and line ends, direction marks, zero-width characters: what makes one text look like another.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Static:
    """The static files, in memory.

    Attributes:
        digest: names this version of them in their address, so that browsers may keep them for ever.
    """

    def __init__(self) -> None:
        folder = files("alloytrio.admin").joinpath("static")
        self._files = {each.name: each.read_bytes() for each in sorted(folder.iterdir(), key=lambda each: each.name)}
        joined = hashlib.sha256(b"".join(self._files.values()))
        self.digest = joined.hexdigest()[:12]

    def response(self, name: str) -> Response | None:
        """One file; None if there is none of that name."""
        content = self._files.get(name)
        if content is None:
            return None
        content_type = CONTENT_TYPES[name.rpartition(".")[2]]
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(content, content_type=content_type, headers=headers)


class Renderer:
    """Makes pages.

    Args:
        prefix: path of the page behind a reverse proxy, without a slash at its end.
        version: shown at the foot of each page.
    """

    def __init__(self, prefix: str, version: str) -> None:
        self.static = Static()
        self._environment = Environment(
            loader=PackageLoader("alloytrio.admin"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=visible,
        )
        self._environment.globals.update(base=prefix, digest=self.static.digest, version=version, pages=PAGES)
        self._environment.filters.update(
            iso=lambda ms: _utc(ms).isoformat(timespec="milliseconds"),
            utc=lambda ms: f"{_utc(ms):%Y-%m-%d %H:%M:%S} UTC",
            count=words.count,
            size=words.size,
            value=words.value,
            plural=words.plural,
            duration=words.duration,
            duration_ns=words.duration_ns,
            shown=words.shown,
        )

    async def page(self, template: str, current: str, title: str, status: int = 200, **values: object) -> Response:
        """One page.

        Args:
            template: its file.
            current: the path of the page in the navigation that it belongs to.
            title: of the browser's tab.
            status: of the answer.
            values: for the template.
        """
        html = await trio.to_thread.run_sync(
            lambda: self._environment.get_template(template).render(current=current, title=title, **values)
        )
        return Response(html, status, content_type="text/html; charset=utf-8", headers={"cache-control": "no-store"})


def visible(value: object) -> object:
    """What is put into a page: control characters and direction marks are shown instead of obeyed."""
    if not isinstance(value, str) or not _UNSEEN.search(value):
        return value
    return type(value)(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", value))


def _utc(milliseconds: int) -> datetime:
    """A time that a peer may have made up: what no calendar holds becomes the beginning of time."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)
