"""A relay of its own process, to be killed: it takes so many steps at noon plus so many minutes."""

import sys
from datetime import timedelta

from ingestion.settings import settings
from orchestration.relay.relay import Relay
from tests.integration.relaying import NOON


def main() -> None:
    now = NOON.replace(tzinfo=None) + timedelta(minutes=float(sys.argv[1]))
    relay = Relay(settings(), lambda: now)
    for _ in range(3):
        relay.step()
    relay.close()


if __name__ == "__main__":
    main()
