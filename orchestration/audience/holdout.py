"""Which part of an audience is held out, so that the effect of a campaign can be measured. The macro of the same name in SQL."""

import hashlib

BUCKETS = 10_000


def holdout_bucket(salt: str, person: str) -> int:
    """0 to 9,999: the first 32 bits of SHA-256 over salt and person. A group of n percent is the buckets below 100 n."""
    digest = hashlib.sha256(f"{salt}|{person}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % BUCKETS
