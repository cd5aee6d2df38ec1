"""For whom the door is kept: the house itself and its tenants, each with a landing zone and declarations of its own.

A tenant is a folder `tenants/<name>` under the platform's home, made with its first key. Nobody sees another's: a key
leads to one tenant, and everything that is looked up for a request is looked up there.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.collector.webhooks import WebhookSource
from ingestion.contracts.base import JsonObject
from ingestion.contracts.mappings import AS_IT_COMES, EventMapping
from ingestion.contracts.triggers import Triggers
from ingestion.landing import LandingWriter

log = logging.getLogger(__name__)

HOUSE = ""

CLOSED_SECONDS = 5.0
"""Before mistaken declarations are read again, whatever comes meanwhile."""


@dataclass(frozen=True)
class Tenant:
    """Where somebody's records land, and what they declared."""

    writer: LandingWriter
    name: str = HOUSE
    triggers: Triggers = field(default_factory=dict)
    webhooks: Mapping[str, WebhookSource] = field(default_factory=dict)
    mappings: Mapping[str, EventMapping] = field(default_factory=dict)
    sources: Sequence[JsonObject] = ()
    deliveries: Path | None = None  # what is told of them, if anybody does

    def mapping(self, source_id: str) -> EventMapping:
        return self.mappings.get(source_id, AS_IT_COMES)

    def told_of_deliveries(self) -> bytes:
        """As it was left for us; nothing, where nobody left anything."""
        with suppress(OSError):
            return self.deliveries.read_bytes() if self.deliveries else b""
        return b""

    def label(self, source_id: str) -> str:
        """The source as it is told apart from those of others, in the metrics."""
        return f"{self.name}/{source_id}" if self.name else source_id


Opener = Callable[[str], Tenant | None]
"""Opens the tenant of a name, None if there is none. Raises ValueError if its declarations are mistaken."""


class Tenants:
    """The house and whoever lives in it. A tenant's mistakes close that tenant's door and nobody else's."""

    def __init__(
        self, house: Tenant, opener: Opener | None = None, known: Sequence[str] = ()
    ) -> None:
        """`known` are opened at once, others when their first request comes."""
        self.house, self._opener = house, opener
        self._open = {HOUSE: house}
        self._closed_until: dict[str, float] = {}
        for name in known:
            self.of(name)

    def of(self, name: str) -> Tenant | None:
        """The tenant of this name; None if there is none, or if it can't be opened, which is logged."""
        if name in self._open or self._opener is None:
            return self._open.get(name)
        if time.monotonic() < self._closed_until.get(name, 0.0):
            return None
        try:
            tenant = self._opener(name)
        except ValueError as error:
            log.error("tenant %s is closed: %s", name, error)
            self._closed_until[name] = time.monotonic() + CLOSED_SECONDS
            return None
        if tenant:
            self._open[name] = tenant
        return tenant

    def __iter__(self) -> Iterator[Tenant]:
        return iter(list(self._open.values()))

    @property
    def is_healthy(self) -> bool:
        """Whether the disk took what was brought a moment ago."""
        return all(tenant.writer.error is None for tenant in self)

    def close(self) -> None:
        """Write what is queued, seal, stop."""
        for tenant in self:
            tenant.writer.close()
