"""Reading destinations.yml: one message that lists everything, and only for what is used."""

import re
from pathlib import Path

import pytest
import yaml

from ingestion.settings import PROJECT_ROOT
from orchestration.destinations.register import (
    KINDS,
    DestinationsInvalid,
    load_destinations,
)
from orchestration.destinations.syncs import (
    SyncsInvalid,
    check_destinations,
    check_recipients,
    load_syncs,
)
from tests.changes import SYNC
from tests.chaos_receiver import SECRET

DECLARED = """
destinations:
  - name: hook
    kind: webhook
    url: ${HOOK_URL}
    secret: ${HOOK_SECRET}
  - name: other_hook
    kind: webhook
    url: https://hooks.example/${TENANT:-main}
    secret: ${OTHER_SECRET}
    batch_size: 0
  - name: files
    kind: file_drop
  - name: pigeon
    kind: carrier_pigeon
"""


def declared(folder: Path, text: str = DECLARED) -> Path:
    file = folder / "destinations.yml"
    file.write_text(text)
    return file


def test_everything_missing_is_listed_at_once_and_only_for_what_is_wanted(tmp_path):
    with pytest.raises(DestinationsInvalid) as refused:
        load_destinations(
            declared(tmp_path),
            ["hook", "other_hook", "pigeon", "fax"],
            tmp_path,
            {"OTHER_SECRET": SECRET},
        )
    message = str(refused.value)
    assert "hook: the environment has no HOOK_URL" in message
    assert "hook: the environment has no HOOK_SECRET" in message
    assert "other_hook: batch_size" in message
    assert "pigeon: kind is 'carrier_pigeon', not one of" in message
    assert (
        "fax: not declared (declared are: files, hook, other_hook, pigeon)" in message
    )
    assert SECRET not in message


def test_a_destination_nobody_uses_needs_no_secret(tmp_path):
    assert list(load_destinations(declared(tmp_path), ["files"], tmp_path, {})) == [
        "files"
    ]


def test_an_empty_variable_is_missing_and_a_default_fills_it(tmp_path):
    text = """
destinations:
  - {name: files, kind: file_drop, folder: "${FOLDER:-drop}"}
  - {name: more, kind: file_drop, folder: "${OTHER}"}
"""
    assert load_destinations(
        declared(tmp_path, text), ["files"], tmp_path, {"FOLDER": ""}
    )
    with pytest.raises(DestinationsInvalid, match="no OTHER"):
        load_destinations(declared(tmp_path, text), ["more"], tmp_path, {"OTHER": ""})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "destinations: webhook",
        "- name: hook",
        "destinations: [",
        "destinations: [{name: a, kind: file_drop}, {name: a, kind: file_drop}]",
    ],
)
def test_a_file_that_is_no_list_of_destinations_is_refused_with_its_name(
    tmp_path, text
):
    with pytest.raises(DestinationsInvalid, match=r"destinations\.yml"):
        load_destinations(declared(tmp_path, text), ["a"], tmp_path, {})


def test_every_shipped_sync_goes_to_a_shipped_destination(tmp_path):
    syncs = load_syncs(PROJECT_ROOT / "dbt_project/seeds/syncs.csv")
    environment = {
        "MILLRACE_WEBHOOK_URL": "https://hooks.example/",
        "MILLRACE_WEBHOOK_SECRET": SECRET,
    }
    wanted = {sync.destination for sync in syncs}
    made = load_destinations(
        PROJECT_ROOT / "destinations.yml", wanted, tmp_path, environment
    )
    assert made.keys() == wanted
    for destination in made.values():
        destination.close()


def test_there_is_an_example_of_every_kind_and_each_one_loads(tmp_path):
    file = PROJECT_ROOT / "destinations.examples.yml"
    text = file.read_text()
    named = re.findall(r"\$\{([A-Z_]+)\}", text)
    environment = dict.fromkeys(named, "given") | {"WEBHOOK_SECRET": SECRET}
    entries = yaml.safe_load(text)["destinations"]
    assert {entry["kind"] for entry in entries} == KINDS.keys()
    names = [entry["name"] for entry in entries]
    made = load_destinations(file, names, tmp_path, environment)
    assert made.keys() == set(names)
    for destination in made.values():
        destination.close()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"mode": "miror"}, "line 2: mode: 'miror' is not known; did you mean mirror?"),
        ({"state": "off"}, "state: 'off' is not known; it is one of active, retired."),
        ({"max_exit_percent": "a third"}, "max_exit_percent: 'a third' is no whole"),
        ({"description": "one, two"}, "it has 16 cells for 15 columns"),
        ({"modus": "mirror"}, "modus: no such column; did you mean mode?"),
    ],
)
def test_a_row_that_is_no_sync_is_told_with_its_line_and_field(tmp_path, row, sentence):
    seed = tmp_path / "syncs.csv"
    cells = {**SYNC.model_dump(mode="json"), "requests_per_minute": "", **row}
    seed.write_text(f"{','.join(cells)}\n{','.join(map(str, cells.values()))}\n")
    with pytest.raises(SyncsInvalid, match=re.escape(sentence)):
        load_syncs(seed)


def test_a_sync_that_leads_nowhere_is_told_the_nearest_destination():
    astray = SYNC.model_copy(update={"destination": "hubspott"})
    with pytest.raises(SyncsInvalid, match="'hubspott'; did you mean hubspot"):
        check_destinations([SYNC, astray], ["hubspot", "tool"])


@pytest.mark.parametrize(
    ("by", "hint"),
    [
        ("emial", "did you mean email?"),
        ("customer_id", "did you mean user_id?"),
        ("card", "There are: anonymous_id, device_id, email"),
    ],
)
def test_a_sync_that_knows_people_by_what_nobody_has_is_told_the_nearest(by, hint):
    types = PROJECT_ROOT / "dbt_project/seeds/identifier_types.csv"
    astray = SYNC.model_copy(update={"recipient_type": by})
    with pytest.raises(SyncsInvalid, match=re.escape(hint)):
        check_recipients([SYNC, astray], types, ["loyalty_id"])
    for right in ("loyalty_id", "ios.id", "profile_id", "hubspot_contact_id"):
        fine = SYNC.model_copy(update={"recipient_type": right})
        check_recipients([fine], types, ["loyalty_id"])


def test_two_syncs_of_one_name_are_refused(tmp_path):
    cells = {**SYNC.model_dump(mode="json"), "requests_per_minute": ""}
    row = ",".join(map(str, cells.values()))
    seed = tmp_path / "syncs.csv"
    seed.write_text(f"{','.join(cells)}\n{row}\n{row}\n")
    with pytest.raises(SyncsInvalid, match="buyers_to_tool is declared 2 times"):
        load_syncs(seed)
