"""A key leads to one tenant, and nobody sees another's: not its events, rejects, triggers, sources, counts or copies."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion import front_door
from ingestion.__main__ import main
from ingestion.collector.keys import KeyStore
from ingestion.landing import read_tail
from ingestion.settings import Settings, settings
from orchestration.warehouse.loading import load
from tests.conftest import ROOT
from tests.landed import ask
from tests.unit.test_collector import EVENT, Collector, code
from tests.unit.test_triggers import NPS

SURVEY = (ROOT / "sources/examples/survey_tool.yml").read_text()
TRIGGER = ROOT / "ingestion/contracts/triggers/nps_submitted.v1.yml"
OTHER = """name: {name}
version: "1.0"
description: Only {name} knows.
owner: somebody
purpose: service
audience: {{identifiers: [user_id]}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two tenants: acme has a trigger, a webhook and a mapping of its own; zeta has a trigger only."""
    keys = KeyStore(tmp_path / "keys.json")
    for name in ("acme", "zeta"):
        triggers = tmp_path / "tenants" / name / "triggers"
        triggers.mkdir(parents=True)
        secret = OTHER.format(name=f"{name}_secret")
        (triggers / f"{name}_secret.v1.yml").write_text(secret)
        for text, scope in ((name.upper(), "integration"), (f"{name}-web", "tracker")):
            keys.import_text(text, "shop", (scope,), tenant=name)
    sources = tmp_path / "tenants/acme/sources"
    sources.mkdir()
    (sources / "survey_tool.yml").write_text(SURVEY)
    (sources / "shop.yml").write_text(
        "source_id: shop\nkind: events\ndescription: d\nowner: o\n"
        "identifiers: {loyalty_id: properties.card}\nidentity: phone\n"
    )
    return tmp_path


@pytest.fixture
def collector(home: Path) -> Iterator[Collector]:
    where = Settings(home=home)
    with Collector(
        home, opener=lambda name: front_door.opened_tenant(where, name)
    ) as made:
        yield made


def post(collector: Collector, key: str, path: str, body: Any) -> Any:
    return collector.post(path, body, X_API_Key=key)


def landed(collector: Collector, tenant: str, stream: str = "events") -> list[Any]:
    root = collector.root.parent / "tenants" / tenant / "landing"
    return list(read_tail(root, stream, set()))


def told(collector: Collector, path: str, key: str | None) -> str:
    headers = {"X-API-Key": key} if key else {}
    return str(collector.send("GET", path, headers=headers).text)


def test_events_and_rejects_land_with_whom_the_key_belongs_to(
    collector: Collector,
) -> None:
    call = {**EVENT, "messageId": "same"}
    for key in ("KEY", "ACME", "ZETA"):
        assert post(collector, key, "/ingest", call).status_code == 200
    assert post(collector, "ACME", "/ingest", b"{").status_code == 400
    assert [row["event_id"] for row in collector.landed()] == ["same"]
    for tenant, rejects in (("acme", 1), ("zeta", 0)):
        assert [row["event_id"] for row in landed(collector, tenant)] == ["same"]
        assert len(landed(collector, tenant, "rejects")) == rejects
    assert collector.landed("rejects") == []


def test_a_trigger_of_one_is_unknown_to_the_others(collector: Collector) -> None:
    body = {"version": "1.0", "user_id": "u"}
    for key, status in (("ACME", 200), ("ZETA", 404), ("KEY", 404)):
        assert post(collector, key, "/triggers/acme_secret", body).status_code == status
    for key, seen in (("ACME", "acme"), ("ZETA", "zeta"), ("KEY", ""), (None, "")):
        text = told(collector, "/triggers", key)
        assert [n for n in ("acme", "zeta") if f"{n}_secret" in text] == [
            n for n in (seen,) if n
        ]


def test_sources_are_told_to_their_tenant_only(collector: Collector) -> None:
    assert '"path":"/tenants/acme/webhooks/survey_tool"' in told(
        collector, "/sources", "ACME"
    )
    assert "survey_tool" not in told(collector, "/sources", "ZETA")
    assert "survey_tool" not in told(collector, "/sources", "KEY")
    for path in ("/sources", "/metrics"):
        answer = collector.send("GET", path, headers={"X-API-Key": "acme-web"})
        assert answer.status_code == 403


def test_counts_are_those_of_whoever_asks(collector: Collector) -> None:
    for key, times in (("KEY", 1), ("ACME", 2), ("ZETA", 3)):
        for _ in range(times):
            post(collector, key, "/ingest", EVENT)
    post(collector, "ACME", "/ingest", b"{")

    def seen(key: str | None) -> list[str]:
        lines = told(collector, "/metrics", key).splitlines()
        return [line for line in lines if line.startswith("millrace_events_total")]

    house = 'millrace_events_total{outcome="accepted",source="web_shop"} 1.0'
    acme = 'millrace_events_total{outcome="accepted",source="acme/shop"} 2.0'
    zeta = 'millrace_events_total{outcome="accepted",source="zeta/shop"} 3.0'
    refused = 'millrace_events_total{outcome="rejected",source="acme/shop"} 1.0'
    assert seen(None) == [house]
    assert seen("ZETA") == [zeta]
    assert sorted(seen("ACME")) == sorted([acme, refused])
    assert sorted(seen("KEY")) == sorted([house, acme, zeta, refused])
    assert "millrace_requests" not in told(collector, "/metrics", "ACME")
    assert "acme" not in told(collector, "/metrics", None)


def test_a_webhook_is_found_under_its_tenant_only(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, status in (
        ("/tenants/acme/webhooks/survey_tool", 503),  # its secret is not set
        ("/tenants/zeta/webhooks/survey_tool", 404),
        ("/tenants/nobody/webhooks/survey_tool", 404),
        ("/tenants/%2e%2e/webhooks/survey_tool", 404),
        ("/webhooks/survey_tool", 404),
    ):
        assert collector.send("POST", path, content=b"{}").status_code == status
    assert not (collector.root.parent / "tenants/nobody").exists()


def test_each_source_is_read_as_its_tenant_declares_it(collector: Collector) -> None:
    call = {
        "event_name": "E",
        "identity": "0171 2345678",
        "payload": {"card": 77, "other": 1},
    }
    for key in ("ACME", "ZETA"):
        assert post(collector, key, "/ingest", call).status_code == 200
    (acme,), (zeta,) = landed(collector, "acme"), landed(collector, "zeta")
    assert acme["identifiers"] == [
        {"type": "phone", "value": "0171 2345678"},
        {"type": "loyalty_id", "value": "77"},
    ]
    assert zeta["identifiers"] == [{"type": "user_id", "value": "0171 2345678"}]


def test_one_tenant_s_mistake_closes_nobody_else_s_door(
    collector: Collector, home: Path
) -> None:
    (home / "tenants/zeta/triggers/zeta_secret.v1.yml").write_text("name: {")
    answer = post(collector, "ZETA", "/ingest", EVENT)
    assert (answer.status_code, code(answer)) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert post(collector, "ACME", "/ingest", EVENT).status_code == 200
    assert post(collector, "KEY", "/ingest", EVENT).status_code == 200


def test_the_command_line_makes_a_tenant_with_its_first_key_and_works_for_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    create = ["keys", "create", "--source", "shop", "--scope", "integration"]
    assert main([*create, "--tenant", "acme"]) == 0
    assert main(create) == 0
    assert main([*create, "--tenant", "../up"]) == 1
    assert (tmp_path / "tenants/acme/sources").is_dir()
    capsys.readouterr()
    main(["keys", "list", "--tenant", "acme"])
    assert capsys.readouterr().out.count("shop") == 1
    monkeypatch.setenv("MILLRACE_TENANT", "acme")
    main(["keys", "list"])
    assert "acme/shop" in capsys.readouterr().out
    assert main(["collector"]) == 1
    assert "every tenant" in capsys.readouterr().err
    assert main(create) == 0
    here = settings()
    assert here.landing == tmp_path / "tenants/acme/landing"
    assert here.warehouse == tmp_path / "tenants/acme/warehouse/millrace.duckdb"
    assert here.sources_dir == tmp_path / "tenants/acme/sources"
    assert [key.tenant for key in KeyStore(here.keys).all()] == ["acme", None, "acme"]


def test_a_tenant_s_rejects_are_listed_and_replayed_for_it_alone(
    collector: Collector,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = {"version": "1.0", "userId": "u", "properties": NPS["properties"]}
    assert post(collector, "ACME", "/triggers/nps_submitted", body).status_code == 404
    monkeypatch.setenv("MILLRACE_HOME", str(home))
    main(["rejects", "list"])
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("MILLRACE_TENANT", "acme")
    main(["rejects", "list"])
    assert "unknown_trigger" in capsys.readouterr().out
    shutil.copy(TRIGGER, home / "tenants/acme/triggers")
    assert main(["rejects", "replay"]) == 0
    (row,) = [e for e in landed(collector, "acme") if e["name"] == "nps_submitted"]
    assert json.dumps(row["properties"]) == json.dumps(NPS["properties"])
    assert collector.landed() == []


def test_a_tenant_s_warehouse_is_loaded_from_its_own_landing_zone(
    collector: Collector, home: Path
) -> None:
    for key in ("KEY", "ACME", "ACME", "ZETA"):
        assert post(collector, key, "/ingest", EVENT).status_code == 200
    for tenant in collector.tenants:
        tenant.writer.seal()
    where = Settings(home=home).of_tenant("acme")
    assert load(where).rows == {"events": 2}
    assert ask(where, "select distinct source_id from raw.events") == [("shop",)]
    assert ask(where, "select source_id from raw.sources order by all") == [
        ("shop",),
        ("survey_tool",),
    ]
    assert not (home / "warehouse").exists()
    assert not (home / "tenants/zeta/warehouse").exists()
