"""The front door put together from this environment: the one place that knows both the collector and the sources.

What the parts do is theirs; nothing is decided here.
"""

import logging
import os
from collections.abc import Mapping, Sequence

from fastapi import FastAPI

from ingestion.collector.app import create_app
from ingestion.collector.door import Door
from ingestion.collector.keys import KeyStore
from ingestion.collector.webhooks import WebhookSource, missing_secrets
from ingestion.connectors import EventSource, Source, load_sources
from ingestion.contracts.base import JsonObject
from ingestion.contracts.triggers import load_triggers
from ingestion.landing import LandingWriter, recover
from ingestion.settings import settings

log = logging.getLogger(__name__)


def application() -> FastAPI:
    """The collector over the landing zone, keys and declarations of this environment.

    First it seals what a crash left open. Raises ValueError, with every mistake, when a declaration is mistaken.
    """
    where = settings()
    triggers = load_triggers(where.triggers_dir)
    declared = load_sources(where.sources_dir)
    webhooks = webhook_sources(declared)
    for sentence in missing_secrets(webhooks):
        log.warning(sentence)
    recover(where.landing)
    writer, keys = LandingWriter(where.landing), KeyStore(where.keys)
    sources = [described(source, webhooks) for source in declared]
    door = Door(writer, keys, triggers=triggers, webhooks=webhooks, sources=sources)
    return create_app(door)


def check_declarations() -> None:
    """Raise ValueError for what would stop the application, before anybody listens."""
    where = settings()
    load_triggers(where.triggers_dir)
    load_sources(where.sources_dir)


def described(source: Source, webhooks: Mapping[str, WebhookSource]) -> JsonObject:
    """What others may know of a source."""
    known = {"source_id", "kind", "description", "owner", "is_server"}
    found = source.model_dump(mode="json", include=known)
    sends = webhooks.get(source.source_id)
    if sends:
        found["webhook"] = {
            "path": f"/webhooks/{source.source_id}",
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
