"""Where a video is: a file under any name, or a URL; as libav takes it, and as anyone may read it."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

NETWORK_SECONDS = 10.0
"""How long a server may say nothing, when it is called and at any time after."""

_FILES = ("http", "https")
_LIVE = ("rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
_URL = re.compile(rf"({'|'.join((*_FILES, *_LIVE))})://", re.IGNORECASE)


def is_url(name: str | os.PathLike[str]) -> bool:
    """Whether a name is a URL of a kind that rmfd reads; everything else is a file, whatever colons it holds."""
    return _URL.match(os.fspath(name)) is not None


def is_live(name: str | os.PathLike[str]) -> bool:
    """Whether a name is a URL of a kind that plays now, and to each listener from another moment on."""
    match = _URL.match(os.fspath(name))
    return match is not None and match[1].lower() in _LIVE


def location(name: str | os.PathLike[str]) -> str:
    """A name as libav and ffmpeg take it.

    The protocol in front keeps a file `a:b.mp4` from being taken for one, the absolute path one that begins with a dash.
    """
    return os.fspath(name) if is_url(name) else f"file:{Path(name).absolute()}"


def shown_name(name: str | os.PathLike[str]) -> str:
    """A name for messages and reports: of a URL without user, password and query, which may hold a key."""
    text = os.fspath(name)
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    place, query, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{query and '?...'}"


def local_name(name: str) -> str:
    """What a file made of it would be called: of `http://host/a/b.mp4?c` it is `host/a/b.mp4`, a file's own name as it is."""
    if not is_url(name):
        return name
    # The place may hold brackets that are no address, at which urlsplit stumbles.
    parts = urlsplit(re.sub(r"[\[\]]", "", shown_name(name).removesuffix("?...")))
    return re.sub(r"/+", "/", f"{parts.netloc.replace(':', '_')}/{unquote(parts.path)}").rstrip("/")
