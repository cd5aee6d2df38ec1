"""Lines of a segment that readers of JSON like to see differently, good and bad."""

from tests.landed import NOON, line


def phoned(event_id: str) -> bytes:
    return line(event_id, identifiers=[{"type": "phone", "value": "+49 30 901820"}])


GOOD = [
    line("plain"),
    line("optional", sent_at=NOON, traits={"name": "O'Hara"}, consent={"ads": False}),
    line(
        "nested",
        properties={
            "digits": 1234567890123456789,
            "price": 149.99,
            "tiny": 1e-7,
            "text": 'é\u2028"\\\n\t',
            "list": [1, 2.5, None, {"empty": {}}],
            "yes": True,
        },
    ),
    line("escaped").replace("✓".encode(), rb"\ud83d\ude00"),
]
BAD = [
    b'{"broken\n',
    b"\n",
    b"[1]\n",
    b'{"stream":"events"}\n',
    line("foreign").replace(b'"stream":"events"', b'"stream":"rejects"'),
    line("nonsense").replace(b"2026-01-31T12:00:00Z", b"nonsense"),
    line("latin").replace("Grüße".encode(), b"Gr\xfc\xdfe"),
    line("half").replace("✓".encode(), rb"\ud800"),
    line("list").replace(b'"flags":[]', b'"flags":"x"'),
    line("number").replace(b'"identifiers":[', b'"identifiers":7,"x":['),
]
