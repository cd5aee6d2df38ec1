"""The browser tracker as browsers get it: `tracker.js`, squeezed.

How it behaves is said in tracker.js; under which paths it is served is the collector's business. Squeezing takes two
rules instead of a parser, so tracker.js keeps to them: comments have their lines to themselves; every statement ends in
`;` or `}`; no literal has a space beside punctuation; a name declared at the outermost level is used for nothing else.
"""

import gzip
import re
from functools import cache
from itertools import product
from pathlib import Path
from string import ascii_letters

GZIPPED_LIMIT = 3 * 1024
"""Bytes. A page pays for its tracker on every first visit."""

OUTERMOST = re.compile(r"^  (?:const|let) (\w+)", re.MULTILINE)


@cache
def source() -> bytes:
    """The tracker to serve, as JavaScript in UTF-8."""
    return squeezed(Path(__file__).with_name("tracker.js").read_text("utf-8")).encode()


@cache
def gzipped() -> bytes:
    """The same, for clients that accept gzip; the same bytes each time."""
    return gzip.compress(source(), 9, mtime=0)


def squeezed(script: str) -> str:
    """The script without comments and needless space, its outermost names shortened.

    Raises ValueError if such a name is also a property, a key or a word in a text.
    """
    names = OUTERMOST.findall(script)
    script = re.sub(r"^ *//.*", "", script, flags=re.MULTILINE)
    script = re.sub(r"\s*([^\w\s])\s*", r"\1", script).replace(";}", "}")
    shorts = (f"${a}{b}" for b, a in product(("", *ascii_letters), ascii_letters))
    for name, short in zip(names, shorts, strict=False):
        if re.search(rf"[\w)\]]\.{name}\b|[\"'`]{name}\b|\b{name}[\"':]", script):
            raise ValueError(f"{name!r} is used for more than a variable")
        script = re.sub(rf"\b{name}\b", lambda _, short=short: short, script)  # type: ignore[misc]
    return script
