"""The front door put together from this environment: the one place that knows both the collector and the sources.

What the parts do is theirs; nothing is decided here.
"""

import logging
import os
from collections.abc import Sequence

from fastapi import FastAPI

from ingestion.collector.app import create_app
from ingestion.collector.door import Door
from ingestion.collector.keys import KeyStore
from ingestion.collector.webhooks import WebhookSource, missing_secrets
from ingestion.connectors import EventSource, Source, load_sources
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
    webhooks = webhook_sources(load_sources(where.sources_dir))
    for sentence in missing_secrets(webhooks):
        log.warning(sentence)
    recover(where.landing)
    writer, keys = LandingWriter(where.landing), KeyStore(where.keys)
    return create_app(Door(writer, keys, triggers=triggers, webhooks=webhooks))


def check_declarations() -> None:
    """Raise ValueError for what would stop the application, before anybody listens."""
    where = settings()
    load_triggers(where.triggers_dir)
    load_sources(where.sources_dir)


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
