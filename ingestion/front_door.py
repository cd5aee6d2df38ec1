"""The front door put together from this environment: the one place that knows both the collector and the sources.

What the parts do is theirs; nothing is decided here.
"""

import gc
import logging
import os
import re
from collections.abc import Mapping, Sequence

from fastapi import FastAPI

from ingestion.collector.app import create_app
from ingestion.collector.door import Door
from ingestion.collector.keys import KeyStore
from ingestion.collector.metrics import deliveries_file
from ingestion.collector.oauth import Issuers, load_issuers
from ingestion.collector.tenants import HOUSE, Tenant, Tenants
from ingestion.collector.webhooks import WebhookSource, missing_secrets
from ingestion.connectors import EventSource, Source, load_sources
from ingestion.contracts.base import JsonObject
from ingestion.contracts.mappings import EventMapping
from ingestion.contracts.triggers import load_triggers
from ingestion.landing import LandingWriter, recover
from ingestion.logs import keep_lines
from ingestion.settings import TENANT, Settings, settings

log = logging.getLogger(__name__)


def application() -> FastAPI:
    """The collector over the landing zones, keys and declarations of this environment.

    First it seals what a crash left open. Raises ValueError, with every mistake, when a declaration is mistaken.
    """
    where = settings()
    keep_lines(where)
    known = [each.name for each in where.tenants.glob("*/")]
    issuers = Issuers(load_issuers(where.issuers_file))
    tenants = Tenants(opened(where), lambda name: opened_tenant(where, name), known)
    app = create_app(Door(tenants, KeyStore(where.keys), issuers=issuers))
    _spare_the_collector()
    return app


def _spare_the_collector() -> None:
    """What is there now stays, so garbage collection need not look at it again; and a batch makes thousands of objects
    that are freed by counting, for which it need not start at every seven hundred."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def opened(where: Settings) -> Tenant:
    """The house, or a tenant, with what it declares; ready to land. Raises ValueError for a mistaken declaration."""
    triggers = load_triggers(where.triggers_dir)
    declared = load_sources(where.sources_dir)
    webhooks = webhook_sources(declared)
    for sentence in missing_secrets(webhooks):
        log.warning(sentence)
    recover(where.landing)
    prefix = f"/tenants/{where.tenant}" if where.tenant else ""
    return Tenant(
        LandingWriter(where.landing),
        where.tenant or HOUSE,
        triggers=triggers,
        webhooks=webhooks,
        mappings=mappings(declared),
        sources=[described(source, webhooks, prefix) for source in declared],
        deliveries=deliveries_file(where.published),
    )


def opened_tenant(house: Settings, name: str) -> Tenant | None:
    """The tenant of a name, None if it has no folder."""
    if not re.match(TENANT, name):  # a stranger's invention; never a path
        return None
    where = house.of_tenant(name)
    return opened(where) if where.home.is_dir() else None


def check_declarations() -> None:
    """Raise ValueError for what would stop the application, before anybody listens."""
    where = settings()
    if where.tenant:
        raise ValueError(
            "one collector serves every tenant; start it without MILLRACE_TENANT"
        )
    load_triggers(where.triggers_dir)
    load_sources(where.sources_dir)
    load_issuers(where.issuers_file)


def mappings(sources: Sequence[Source]) -> dict[str, EventMapping]:
    """How the calls of each source are read."""
    return {each.source_id: each for each in sources if isinstance(each, EventSource)}


def described(
    source: Source, webhooks: Mapping[str, WebhookSource], prefix: str = ""
) -> JsonObject:
    """What others may know of a source; `prefix` is where the paths of its tenant begin."""
    known = {"source_id", "kind", "description", "owner", "is_server"}
    found = source.model_dump(mode="json", include=known)
    sends = webhooks.get(source.source_id)
    if sends:
        found["webhook"] = {
            "path": f"{prefix}/webhooks/{source.source_id}",
            "scheme": sends.webhook.scheme,
            "topics": list(sends.webhook.events),
            "ready": sends.secret is not None,
        }
    return found


def webhook_sources(sources: Sequence[Source]) -> dict[str, WebhookSource]:
    """The sources that send webhooks, with their secrets as the environment has them."""
    return {
        source.source_id: WebhookSource(
            source.source_id,
            source.webhook,
            os.environ.get(source.webhook.variable) or None,
        )
        for source in sources
        if isinstance(source, EventSource) and source.webhook
    }
