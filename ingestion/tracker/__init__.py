"""The browser tracker as browsers get it: `tracker.js`, squeezed.

How it behaves is said in tracker.js; under which paths it is served is the collector's business. Squeezing takes a few
rules instead of a parser, and tracker.js keeps to them: a comment has its lines to itself; a statement ends in `;` or
`}`; no literal has a space beside punctuation; a name declared at the outermost level is used for nothing else, and no
name has one letter.
"""

import gzip
import re
from functools import cache
from pathlib import Path
from string import ascii_letters

GZIPPED_LIMIT = 3 * 1024
"""Bytes. A page pays for its tracker on every first visit."""

OUTERMOST = re.compile(r"^  (?:const|let) (\w+)", re.MULTILINE)
SHORT_NAMES = (*ascii_letters, *(f"${letter}" for letter in ascii_letters))


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
    for name, short in zip(names, SHORT_NAMES[: len(names)], strict=True):
        if re.search(rf"[\w)\]]\.{name}\b|[\"'`]{name}\b|\b{name}[\"':]", script):
            raise ValueError(f"{name!r} is used for more than a variable")
        script = re.sub(rf"\b{name}\b", short, script)
    return script
