"""Custom triggers: what ships is valid, a mistaken declaration is a sentence, a mistaken call names each property."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.__main__ import main
from ingestion.collector.pages import page
from ingestion.contracts.refusals import Refused
from ingestion.contracts.triggers import TriggerError, catalogue, load_triggers
from ingestion.settings import PROJECT_ROOT, Settings
from tests.unit.test_collector import Collector, code

SHIPPED = load_triggers(Settings().triggers_dir)

MOVED = """
name: moved
version: "1.2"
description: Sent when someone has moved.
owner: crm-team
purpose: service
audience: {identifiers: [email]}
properties:
  city: {type: text, required: true, description: Where to., example: Köln}
  on: {type: date, required: true, description: When.}
  at: {type: timestamp, description: When exactly.}
  floor: {type: integer, minimum: 0, maximum: 99, description: Which floor.}
  rent: {type: decimal, minimum: 0, description: Rent in EUR.}
  kind: {type: text, values: [house, flat], description: Into what.}
  rooms: {type: integer, values: [1, 2, 3], description: How many.}
  post_code: {type: text, pattern: "[0-9]{5}", description: Five digits.}
  garden: {type: boolean, description: Whether it has one.}
  pets: {type: list_of_text, description: Who comes along.}
  model_config: {type: text, description: A name that pydantic has taken.}
"""


def declared(folder: Path, text: str, name: str = "moved.v1") -> Any:
    (folder / f"{name}.yml").write_text(text)
    return load_triggers(folder)["moved"]


# Declarations


def test_the_worked_examples_ship_and_two_majors_stand_side_by_side() -> None:
    assert {name: sorted(each.by_major) for name, each in SHIPPED.items()} == {
        "cart_abandoned": [1],
        "contract_ending": [1],
        "nps_submitted": [1, 2],
        "subscription_canceled": [1],
    }


def test_every_shipped_property_shows_a_valid_value() -> None:
    for each in catalogue(SHIPPED):
        for name, schema in each["json_schema"]["properties"].items():
            assert schema["description"], (each["name"], name)
            assert schema["examples"], (each["name"], name)


def test_every_shipped_purpose_is_one_that_the_platform_knows() -> None:
    seed = PROJECT_ROOT / "dbt_project" / "seeds" / "purposes.csv"
    purposes = {line.partition(",")[0] for line in seed.read_text().splitlines()[1:]}
    assert {each["purpose"] for each in catalogue(SHIPPED)} <= purposes


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("owner: crm-team\n", "", "field `owner` is missing; name who answers"),
        ("owner:", "woner:", "field `woner` is unknown; did you mean `owner`?"),
        ('"1.2"', "1.2", "field `version` is 1.2, which cannot be: a number loses"),
        ('"1.2"', '"one"', "field `version` is 'one'"),
        ("name: moved", "name: Moved", "field `name` is 'Moved'"),
        ("name: moved", "name: gone", "rename it to gone.v1.yml"),
        ('"1.2"', '"2.0"', "rename it to moved.v2.yml"),
        ("[email]", "[]", "field `audience.identifiers`"),
        ("type: boolean", "type: bool", "field `properties.garden.type` is 'bool'"),
        ("type: boolean", "tipe: boolean", "`properties.garden.tipe` is unknown"),
        ("type: boolean", "type: boolean, minimum: 1", "are for numbers"),
        ("minimum: 0, maximum: 99", "minimum: 9, maximum: 1", "swap them"),
        ("values: [house, flat]", "values: [house, 2]", "`values` lists texts"),
        ("[0-9]{5}", "[0-9", "`properties.post_code.pattern` is no regular expression"),
        ("example: Köln", "example: 7", "`properties.city.example` is not valid"),
        ("owner: crm-team", "owner: a\nowner: b", "'owner' is given twice"),
        ("owner: crm-team", "owner: [", "is not valid YAML"),
    ],
)
def test_a_mistake_names_the_file_the_field_and_the_remedy(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in MOVED
    with pytest.raises(TriggerError) as caught:
        declared(tmp_path, MOVED.replace(old, new, 1))
    assert f"{tmp_path.name}/moved.v1.yml" in str(caught.value)
    assert says in str(caught.value)


def test_every_mistaken_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.v1.yml").write_text("[]")
    (tmp_path / "b.v1.yml").write_text("name: b")
    with pytest.raises(TriggerError, match=r"a\.v1\.yml(.|\n)*b\.v1\.yml"):
        load_triggers(tmp_path)


def test_a_mistaken_file_stops_the_collector_before_it_listens(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "moved.v1.yml").write_text("name: moved")
    monkeypatch.setenv("MILLRACE_TRIGGERS_DIR", str(tmp_path))
    assert main(["collector", "--port", "0"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "moved.v1.yml: field `version` is missing" in told.err


# Calls


VALID = {"city": "Köln", "on": "2026-01-31"}


def test_what_is_valid_passes_and_what_nobody_declared_is_drift(tmp_path: Path) -> None:
    moved = declared(tmp_path, MOVED).of("1")
    everything = {
        **VALID,
        "at": "2026-01-31T12:00:00+01:00",
        "floor": 0,
        "rent": 700,
        "kind": "flat",
        "rooms": 2,
        "post_code": "50667",
        "garden": False,
        "pets": ["cat"],
        "model_config": "x",
        "zeta": 1,
        "alpha": None,
    }
    assert moved.drift(everything) == ["alpha", "zeta"]
    assert moved.drift({**VALID, "floor": None, "pets": []}) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"city": None}, "must be text"),
        ({"city": "  "}, "must not be blank"),
        ({"on": "31.01.2026"}, "must be a day such as 2026-01-31"),
        ({"on": 20260131}, "must be text"),
        ({"at": "noon"}, "ISO 8601"),
        ({"floor": "3"}, "must be a whole number"),
        ({"floor": 3.5}, "must be a whole number"),
        ({"floor": True}, "must be a whole number"),
        ({"floor": 100}, "less than or equal to 99"),
        ({"rent": "700"}, "must be a number"),
        ({"rent": -1}, "greater than or equal to 0"),
        ({"kind": "tent"}, "'house' or 'flat'"),
        ({"rooms": 4}, "1, 2 or 3"),
        ({"post_code": "D-50667"}, "match pattern"),
        ({"garden": "yes"}, "must be true or false"),
        ({"pets": "cat"}, "must be a list"),
        ({"pets": [1]}, "must be text"),
    ],
)
def test_a_wrong_value_is_refused_under_its_own_name(
    tmp_path: Path, wrong: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        declared(tmp_path, MOVED).of("1.2").drift({**VALID, **wrong})
    (fault,) = caught.value.faults
    assert fault.path.startswith(f"properties.{next(iter(wrong))}")
    assert reason in fault.reason


@pytest.mark.parametrize("version", [1, "1", "v1", "1.0", 1.0, "1.2", 1.2])
def test_a_version_is_known_by_its_major_up_to_the_declared_minor(
    tmp_path: Path, version: Any
) -> None:
    found = declared(tmp_path, MOVED).of(version)
    assert found.declaration.version == "1.2"


@pytest.mark.parametrize("version", [None, 2, "1.3", "", "latest", [1], True, "1.2.0"])
def test_any_other_version_is_refused_with_the_ones_there_are(
    tmp_path: Path, version: Any
) -> None:
    with pytest.raises(Refused, match=r"version: .* moved has 1\.2"):
        declared(tmp_path, MOVED).of(version)


def test_a_call_of_a_trigger_lands_as_an_event_under_its_contract(
    tmp_path: Path,
) -> None:
    body = {
        "version": "2.0",
        "email": "ada@example.com",
        "timestamp": "2026-01-31T12:00:00Z",
        "properties": {"survey_id": "s1", "score": 9, "mood": "fine"},
    }
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        answer = collector.post("/triggers/nps_submitted", body)
    (row,) = collector.landed()
    assert answer.json() == {
        "success": True,
        "event_id": row["event_id"],
        "trigger": "nps_submitted",
        "version": "2.0",
        "unknown_properties": ["mood"],
    }
    assert (row["shape"], row["type"], row["name"]) == (
        "trigger",
        "track",
        "nps_submitted",
    )
    assert (row["contract"], row["contract_version"]) == (
        "trigger/nps_submitted",
        "2.0",
    )
    assert row["properties"] == body["properties"]
    assert row["identifiers"] == [{"type": "email", "value": "ada@example.com"}]
    assert row["flags"] == ["drift:mood"]
    assert row["context"] is None


def test_a_repeat_has_the_same_id_and_another_trigger_with_the_same_body_has_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "triggers").mkdir()
    for name in ("moved", "left"):
        text = MOVED.replace("name: moved", f"name: {name}")
        (tmp_path / "triggers" / f"{name}.v1.yml").write_text(text)
    body = {
        "version": 1,
        "email": "a@b.c",
        "timestamp": 1769860800,
        "properties": VALID,
    }
    with Collector(tmp_path, triggers=load_triggers(tmp_path / "triggers")) as door:
        ids = [
            door.post(f"/triggers/{name}", body).json()["event_id"]
            for name in ("moved", "moved", "left")
        ]
    assert ids[0] == ids[1] != ids[2]


def test_a_mistaken_call_names_each_failing_property_and_is_kept(
    tmp_path: Path,
) -> None:
    properties = {"cart_value": "149.99", "currency": "euro"}
    body = {"version": "1.0", "email": "ada@example.com", "properties": properties}
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        answer = collector.post("/triggers/cart_abandoned", body)
    assert answer.status_code == 400
    assert code(answer) == "invalid_trigger"
    assert [each["path"] for each in answer.json()["errors"]] == [
        "properties.cart_id",
        "properties.cart_value",
        "properties.currency",
    ]
    (kept,) = collector.landed("rejects")
    assert kept["endpoint"] == "/triggers/cart_abandoned"
    assert collector.landed() == []


NPS = {"version": 1, "userId": "ada", "properties": {"score": 9}}


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        ("nps_submitted", {**NPS, "userId": None}, 400, "invalid_trigger"),
        ("nps_submitted", {**NPS, "version": 3}, 400, "invalid_trigger"),
        ("nps_submitted", {**NPS, "properties": [9]}, 400, "invalid_trigger"),
        ("nps_submitted", {**NPS, "properties": None}, 400, "invalid_trigger"),
        ("nps_submitted", [NPS], 400, "invalid_event"),
        ("nps_submitted", {**NPS, "timestamp": "soon"}, 400, "invalid_event"),
        ("never_declared", NPS, 404, "unknown_trigger"),
    ],
)
def test_other_mistakes_are_told_and_kept_too(
    tmp_path: Path, path: str, body: Any, status: int, expected: str
) -> None:
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        answer = collector.post(f"/triggers/{path}", body)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert len(collector.landed("rejects")) == 1


def test_a_web_page_sends_only_the_triggers_that_are_for_web_pages(
    tmp_path: Path,
) -> None:
    cart = {"cart_id": "c", "cart_value": 1, "currency": "EUR"}
    body = {"version": 1, "email": "somebody@else.example", "properties": cart}
    browser = {"X_API_Key": "BROWSER", "Origin": "https://shop.example"}
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        answer = collector.post("/triggers/cart_abandoned", body, **browser)
        assert (answer.status_code, code(answer)) == (403, "not_for_browsers")
        answer = collector.post("/triggers/nps_submitted", NPS, **browser)
        assert answer.status_code == 200


def test_a_trigger_needs_a_key(tmp_path: Path) -> None:
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        answer = collector.post("/triggers/nps_submitted", NPS, X_API_Key="WRONG")
    assert answer.status_code == 401


def test_the_catalogue_shows_every_version_with_its_schema(tmp_path: Path) -> None:
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        shown = collector.get("/triggers").json()["triggers"]
        assert "/triggers/{name}" in collector.get("/openapi.json").json()["paths"]
    assert [(each["name"], each["version"]) for each in shown] == [
        ("cart_abandoned", "1.0"),
        ("contract_ending", "1.1"),
        ("nps_submitted", "1.0"),
        ("nps_submitted", "2.0"),
        ("subscription_canceled", "1.0"),
    ]
    schema = shown[3]["json_schema"]
    assert schema["required"] == ["survey_id", "score"]
    assert schema["properties"]["score"]["maximum"] == 10
    assert yaml.safe_dump(shown)  # plain data all the way down


def test_a_browser_gets_the_catalogue_as_a_page(tmp_path: Path) -> None:
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        accept = "text/html,application/xhtml+xml,*/*;q=0.8"
        shown = collector.send("GET", "/triggers", headers={"Accept": accept})
    assert shown.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    for words in (
        '<section id="nps_submitted-2.0">',
        "Recipient, one of: <b>user_id, email, anonymous_id</b>",
        "integer from 0 to 10",
        "string like ^(?:[A-Z]{3})$",
        "string one of basic, plus, family",
        "<code>comment</code> <small>optional</small>",
        "POST /triggers/contract_ending",
        "&quot;ends_on&quot;: &quot;2026-03-31&quot;",
    ):
        assert words in shown.text, words


def test_whatever_a_declaration_says_is_text_on_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>&\"'"
    (tmp_path / "bad.v1.yml").write_text(
        yaml.safe_dump(
            {
                "name": "bad",
                "version": "1.0",
                "description": evil,
                "owner": evil,
                "purpose": "service",
                "audience": {"identifiers": ["email"]},
                "properties": {
                    "a": {"type": "text", "description": evil, "example": evil},
                    "b": {"type": "text", "description": "d", "values": [evil]},
                    "c": {"type": "text", "description": "d", "pattern": "<b>"},
                },
            }
        )
    )
    shown = page(catalogue(load_triggers(tmp_path)))
    assert "<script" not in shown
    assert "<b>)" not in shown
    assert shown.count("&lt;script&gt;alert(1)") >= 4
