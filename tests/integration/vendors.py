"""Three vendors that hold the two people of erased.py: the real plan and the real loop between a real landing zone and fakes.

One plan feeds all of them, each knows people by something else, and any of them may be down.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from ingestion.settings import Settings
from orchestration.activation.plans import read_plan
from orchestration.activation.publishing import send
from orchestration.destinations.base import ActivationChange
from orchestration.warehouse.loading import load
from orchestration.warehouse.publishing import publish
from orchestration.warehouse.schema import read_copy
from tests.fakes.cases import CASES
from tests.fakes.chaos import FAULTS
from tests.fakes.server import Server, well
from tests.integration.erased import tell_who_is_who
from tests.integration.plans import Warehouse, a_sync

KNOWN_BY = {"webhook": "profile_id", "mailchimp": "email", "meta": "email"}
UP, DOWN = well, FAULTS["error"]


class Vendors:
    """`servers` by kind. `refresh` plans anew, `deliver` takes the plan that is published to everybody. Everybody agreed to
    marketing but those whose addresses are in `refused`."""

    def __init__(self, home: Settings, servers: dict[str, Server]) -> None:
        self.home, self.servers = home, servers
        self.syncs = {
            kind: a_sync(
                f"to_{kind}",
                destination=kind,
                recipient_type=known_by,
                purpose="marketing",
                channel="email",
            )
            for kind, known_by in KNOWN_BY.items()
        }
        self._plan = Warehouse(home, *self.syncs.values())
        opt_in = {"purpose": "marketing", "enforcement": "opt_in"}
        self._plan.fill("purposes", [opt_in])
        self.refused: set[str] = set()

    def refresh(self) -> None:
        load(self.home)
        tell_who_is_who(self.home)
        room = self._plan.room
        room.forget()
        room.connection.execute(f"attach '{self.home.warehouse}' as millrace")
        room.connection.execute(_LANDED)
        room.connection.execute(_CONSENTS, [sorted(self.refused)])
        room.refresh()
        room.connection.execute(_PLANNED)
        room.connection.execute("detach millrace")
        publish(self.home)

    def deliver(self, *kinds: str) -> None:
        """To these, or to all."""
        for kind in kinds or self.syncs:
            send(self.syncs[kind], self.home, despite_pause=True)

    def plan(self) -> dict[str, list[ActivationChange]]:
        """What is still to be told, by kind."""
        published = self.home.published
        return {
            kind: changes
            for kind, sync in self.syncs.items()
            if (changes := read_plan(published, sync.sync_name).changes)
        }

    def held(self) -> dict[str, set[str]]:
        return {kind: set(each.fake.held) for kind, each in self.servers.items()}

    def ask(self, sql: str) -> list[tuple]:
        with read_copy(self.home.published) as copy:
            return copy.execute(sql).fetchall()


@contextmanager
def vendors(home: Settings, folder: Path) -> Iterator[Vendors]:
    """Servers for `home`, whose declarations of destinations are left in `folder`."""
    with ExitStack() as running:
        servers = {
            kind: running.enter_context(Server(CASES[kind].fake())) for kind in KNOWN_BY
        }
        declared = [
            CASES[kind].settings(kind, server.url, name=kind, answer_seconds=2)
            for kind, server in servers.items()
        ]
        file = folder / "destinations.yml"
        file.write_text(yaml.safe_dump({"destinations": declared}))
        yield Vendors(home.model_copy(update={"destinations_file": file}), servers)


_LANDED = """
    delete from raw.deliveries;
    insert into raw.deliveries by name from millrace.raw.deliveries;
    delete from raw.privacy_requests;
    insert into raw.privacy_requests by name from millrace.raw.privacy_requests;
    delete from identity.dim_identifiers;
    insert into identity.dim_identifiers by name
        select identifier_type, identifier_value, profile_id
        from millrace.identity.dim_identifiers where not is_shared;
    delete from identity.dim_profile_ids;
    insert into identity.dim_profile_ids from millrace.identity.dim_profile_ids;
    delete from profiles.dim_profiles;
    insert into profiles.dim_profiles by name
        select profile_id, max(identifier_value) filter (identifier_type = 'email') as email
        from identity.dim_identifiers group by profile_id;
    delete from audiences.int_audiences_evaluated;
    insert into audiences.int_audiences_evaluated
        select 'crowd', profile_id, '', '{"orders":1}' from profiles.dim_profiles;
    delete from profiles.dim_consents;
"""
_CONSENTS = """
    insert into profiles.dim_consents by name
        select 'email' as contact_type, email as contact_value, 'marketing' as purpose, 'all' as channel,
            case when email in (select unnest(?::varchar[])) then 'denied' else 'granted' end as state
        from profiles.dim_profiles
"""
_PLANNED = "\n".join(
    f"create or replace table millrace.activation.{name} as from activation.{name};"
    for name in (
        "activation_changes",
        "fct_sync_attempts",
        "fct_sync_runs",
        "fct_sync_state",
        "int_sync_delivered",
    )
)
