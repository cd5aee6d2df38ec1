"""Compressed files as their contents, by the ending of the name. A file that was cut short raises, it never just ends.

Which files there are is files.py's.
"""

import bz2
import gzip
import io
import lzma
from typing import IO, cast

import zstandard

CHUNK = 1 << 20


def unpacked(stream: IO[bytes], name: str) -> IO[bytes]:
    """The contents of a file. Reading raises EOFError or OSError or ZstdError when the file is damaged."""
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    if name.endswith((".zst", ".zstd")):
        return cast(IO[bytes], io.BufferedReader(_Zstandard(stream), CHUNK))
    if name.endswith(".bz2"):
        return cast(IO[bytes], bz2.BZ2File(stream))
    if name.endswith(".xz"):
        return cast(IO[bytes], lzma.LZMAFile(stream))
    return stream


class _Zstandard(io.RawIOBase):
    """Every frame of a zstd file; the library's own reader ends without a word where a file was cut short."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_within = False
        self._waiting = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            if not (packed := self._waiting or self._stream.read(CHUNK)):
                if self._is_within:
                    raise EOFError("the compressed data ends before its end is marked")
                return 0
            self._unpack(packed)
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _unpack(self, packed: bytes) -> None:
        self._ready = memoryview(self._frame.decompress(packed))
        self._is_within, self._waiting = not self._frame.eof, b""
        if self._frame.eof:
            self._waiting = self._frame.unused_data
            self._frame = zstandard.ZstdDecompressor().decompressobj()
