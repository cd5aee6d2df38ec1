"""Two people who share an address, in every place that a platform has, and an erasure in a process that may be killed.

Who is who is told by hand, in the words of the models that privacy reads; dbt itself is end_to_end's business.
"""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from ingestion.contracts import (
    IdentityChange,
    Landed,
    MembershipChange,
    ProfileRow,
    Reject,
)
from ingestion.settings import Settings
from orchestration.privacy.carrying import carry_out
from orchestration.privacy.requests import land_request, open_requests
from orchestration.privacy.subject import asked_about, subject_of
from orchestration.warehouse.loading import load
from orchestration.warehouse.publishing import publish
from orchestration.warehouse.schema import read_copy, warehouse
from tests.conftest import ROOT
from tests.dbt import FORKS
from tests.landed import NOON, event, land, platform, seal_text

ADA, BO = "p_" + "a" * 32, "p_" + "b" * 32
ADAS = [
    ("user_id", "ada-1815"),
    ("email", "ada@lovelace.example"),
    ("phone", "+4917055512345"),
    ("anonymous_id", "cookie-of-ada"),
    ("profiles_id", "C-ADA-17"),
]
SHARED = ("email", "office@analytical.example")
BOS = [("user_id", "bo-1791"), ("email", "bo@babbage.example")]
NAME, STREET = "Augusta Ada Köning", "12 St James's Square"
HASH = hashlib.sha256(b"ada@lovelace.example").hexdigest()
MD5 = hashlib.md5(b"ada@lovelace.example", usedforsecurity=False).hexdigest()
SHA1 = hashlib.sha1(b"4917055512345", usedforsecurity=False).hexdigest()
TORN = b'{"record_id":"torn","traits":"ada@lovelace.example\n{"record_id":"torn","traits":"bo\n'
SEEDS = (
    "blocked_identifiers",
    "consent_words",
    "event_taxonomy",
    "identifier_types",
    "purposes",
    "suppressing_events",
)
SECRETS = [
    *(value for _, value in ADAS),
    "0170 555 12345",
    HASH,
    MD5,
    SHA1,
    NAME,
    STREET,
    ADA,
]
"""Every text that says who she is, as it was given and as it was made."""


def named(*identifiers: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "value": value} for kind, value in identifiers]


def place(folder: Path) -> Settings:
    """A platform in `folder` without journeys."""
    return platform(folder).model_copy(update={"journeys_dir": folder / "journeys"})


def copied(folder: Path, to: Path) -> Settings:
    shutil.copytree(folder, to)
    return place(to)


def file_erasure(home: Settings) -> str:
    with read_copy(home.published) as connection:
        theirs = subject_of(connection, [asked_about(connection, "ada-1815")])
    return land_request(home, "erasure", theirs.named, "dpo", "passport of ada-1815")


def two_people(folder: Path, *more: Landed) -> Settings:
    """Loaded, published, planned, logged."""
    home = place(folder)
    land(home, *more)
    (home.sources_dir / "web_shop.yml").write_text(
        "source_id: web_shop\nkind: events\ndescription: Shop\nowner: shop\ndefault_region: DE\n"
    )
    land(
        home,
        event("ada-reads", identifiers=named(ADAS[3])),
        event(
            "ada-logs-in",
            identifiers=named(ADAS[0], ("email", " Ada@Lovelace.example "), ADAS[3]),
            traits={"name": NAME},
        ),
        event("ada-calls", identifiers=named(ADAS[0], ("phone", "0170 555 12345"))),
        event("ada-from-the-office", identifiers=named(ADAS[0], SHARED)),
        event("bo-buys", identifiers=named(*BOS)),
        event("bo-from-the-office", identifiers=named(BOS[0], SHARED)),
        event(
            "bo-sends-ada-a-gift",
            identifiers=named(BOS[0]),
            properties={
                "gift_to": "ada@lovelace.example",
                "hashes": [HASH, MD5, SHA1.upper()],
                "note": "für",
                "seen": "https://x.example/?to=Ada%40Lovelace.example&tel=%2B4917055512345",
            },
        ),
        event("nobody-knows-who", identifiers=named(SHARED)),
    )
    land(
        home,
        ProfileRow(
            source_id="crm",
            row_key="C-ADA-17",
            row_hash="0" * 64,
            observed_at=NOON,
            received_at=NOON,
            identifiers=named(ADAS[4], ADAS[1]),
            traits={"name": NAME, "street": STREET},
        ),
        ProfileRow(
            source_id="crm",
            row_key="C-BO-18",
            row_hash="1" * 64,
            observed_at=NOON,
            received_at=NOON,
            identifiers=named(BOS[1]),
            traits={"name": "Charles"},
        ),
        Reject(
            source_id="web_shop",
            received_at=NOON,
            code="invalid",
            detail="no",
            endpoint="/v1/track",
            raw='{"userId":"ada-1815","event":7}',
        ),
        Reject(
            source_id="web_shop",
            received_at=NOON,
            code="invalid",
            detail="no",
            endpoint="/v1/track",
            raw='{"userId":"bo-1791","event":7}',
        ),
        *facts(),
    )
    seal_text(home, TORN)
    refresh(home)
    leave_traces(home)
    return home


def facts() -> list[object]:
    return [
        IdentityChange(
            received_at=NOON,
            as_of=NOON,
            identifier_type="user_id",
            identifier_value="ada-1815",
            profile_id=ADA,
            reason="first",
        ),
        IdentityChange(
            received_at=NOON,
            as_of=NOON,
            identifier_type="user_id",
            identifier_value="bo-1791",
            profile_id=BO,
            reason="first",
        ),
        MembershipChange(
            received_at=NOON,
            as_of=NOON,
            audience_name="everybody",
            profile_id=ADA,
            action="enter",
            reason="met",
        ),
        MembershipChange(
            received_at=NOON,
            as_of=NOON,
            audience_name="everybody",
            profile_id=BO,
            action="enter",
            reason="met",
        ),
    ]


def refresh(home: Settings) -> None:
    """What a refresh does, as far as privacy looks at it."""
    load(home)
    tell_who_is_who(home)
    publish(home)


def tell_who_is_who(home: Settings) -> None:
    """What the models would say of the people, from what is in raw."""
    own = [(*each, ADA, False) for each in [*ADAS, ("email_sha256", HASH)]]
    own += [(*each, BO, False) for each in BOS] + [(*SHARED, BO, True)]
    with warehouse(home.warehouse) as connection:
        run = connection.execute
        for schema in ("seeds", "identity", "profiles", "activation"):
            run(f"create schema if not exists {schema}")
        for seed in SEEDS:
            run(
                f"create or replace table seeds.{seed} as from read_csv('{ROOT}/dbt_project/seeds/{seed}.csv', header = true)"
            )
        run(
            "create or replace temp table said (kind varchar, value varchar, profile_id varchar, is_shared boolean)"
        )
        connection.executemany("insert into said values (?, ?, ?, ?)", own)
        run(_WHO)


def leave_traces(home: Settings) -> None:
    """Values in every place beside the landing zone and the tables."""
    root = home.home
    for place, text in {
        "plans/file.json": '{"samples": ["ada@lovelace.example"]}',
        "published/profiles/p_a.html": f"<h1>{NAME}</h1>",
        "logs/last_run.log": f"ada-1815 was here\nbo-1791 too, and {STREET}\n",
        "dagster/storage/run/compute_logs/x.err": (
            f"Ada%40Lovelace.EXAMPLE is no number, {NAME.upper()}, 12 St James&#x27;s Square"
        ),
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text, "utf-8")
    with closing(sqlite3.connect(root / "dagster/runs.db")) as database:
        database.execute("create table runs (id integer, run_body text)")
        rows = [
            (1, json.dumps({"asked": "ada@lovelace.example", "name": NAME})),
            (2, json.dumps({"asked": "bo-1791"})),
        ]
        database.executemany("insert into runs values (?, ?)", rows)
        database.commit()
    (root / "connectors").mkdir(exist_ok=True)
    (root / "connectors/crm.sqlite").write_bytes(b"C-ADA-17")


def go_on(home: Settings) -> None:
    """File the erasure unless it is open, and carry out what can be now."""
    if not open_requests(home):
        file_erasure(home)
    carry_out(home)


def killed_at(home: Settings, point: str) -> bool:
    """Go on in a process that dies at a boundary; whether it came that far."""
    process = FORKS.Process(target=_go_on_and_die, args=(home.home.parent, point))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), f"{point}: {process.exitcode}"
    return process.exitcode == -signal.SIGKILL


def _go_on_and_die(folder: Path, crash_at: str) -> None:
    os.environ["MILLRACE_CRASH_AT"] = crash_at
    go_on(place(folder))


# By the strongest identifier that is somebody's alone, as int_record_profiles would say.
_WHO = """
    create or replace table identity.dim_identifiers as
        select row_number() over (order by kind, value) as identifier_id, kind as identifier_type,
            value as identifier_value, profile_id, is_shared from said
        where is_shared or profile_id in (
            select distinct said.profile_id from said
            inner join (
                select unnest(identifiers, recursive := true) from raw.events
                union all select unnest(identifiers, recursive := true) from raw.profiles
            ) as given on given.value = said.value and not said.is_shared
        );
    create or replace table identity.fct_identity_demotions
        (identifier_id bigint, identifier_type varchar, identifier_value varchar, demotion varchar);
    create or replace table identity.fct_identity_edges as
        select a.identifier_id as identifier_id_a, b.identifier_id as identifier_id_b
        from identity.dim_identifiers as a, identity.dim_identifiers as b
        where b.is_shared and a.identifier_type = 'user_id';
    create or replace table identity.dim_profile_ids as
        select distinct profile_id as any_profile_id, profile_id from identity.dim_identifiers;
    create or replace table identity.int_record_profiles as
        select record_id, min(profile_id) as profile_id
        from (
            select record_id, unnest(identifiers, recursive := true) from raw.events
            union all select record_id, unnest(identifiers, recursive := true) from raw.profiles
        ) as given
        inner join identity.dim_identifiers as known
            on lower(trim(given.value)) = lower(known.identifier_value) and not known.is_shared
        group by record_id;
    create or replace table profiles.int_profile_attributes as
        select record_profiles.profile_id, unnest([traits ->> 'name', traits ->> 'street']) as value_text
        from raw.profiles inner join identity.int_record_profiles as record_profiles using (record_id);
    create or replace table profiles.dim_profiles (profile_id varchar, profile_kind varchar, last_seen_at timestamp);
    create or replace table activation.int_sync_delivered as
        select sync_name, recipient_key, max_by(profile_id, record_id) as profile_id,
            max_by(account, record_id) as account, not max_by(action = 'exit' and coalesce(outcome, '') = 'delivered', record_id) as is_present
        from raw.deliveries where action is not null group by all;
"""
