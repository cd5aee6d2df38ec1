"""The dlt connector with dlt's own REST source against a server on loopback: dlt extracts, we land."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion.connectors.rows import ExtractError
from tests.pulls import Shop

TOKEN = "a-very-secret-token"
CONTACTS = """
kind: profiles
description: Contacts of a CRM with a REST interface, by pages.
owner: crm-team
extract:
  connector: dlt
  source: dlt.sources.rest_api:rest_api_source
  resource: contacts
  arguments:
    config:
      client:
        base_url: %s
        auth: {type: bearer, token: "${CRM_TOKEN}"}
        paginator: {type: page_number, base_page: 1, total_path: pages}
      resources:
        - name: contacts
          endpoint: {path: contacts, data_selector: results}
        - name: companies
row_key: [id]
deletes: missing
identifiers: {email: properties.email}
attributes: {name.first: properties.firstname, tags: tags}
observed_at: updatedAt
"""


class Crm(ThreadingHTTPServer):
    """A CRM whose contacts come three a page to whoever has the token."""

    contacts: list[dict[str, Any]]

    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Answers(BaseHTTPRequestHandler):
    server: Crm

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        page = int(parse_qs(place.query).get("page", ["1"])[0])
        rows = self.server.contacts
        body = {"results": rows[3 * page - 3 : 3 * page], "pages": -(-len(rows) // 3)}
        self.send_response(200 if known and place.path == "/contacts" else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def contact(number: int, **properties: Any) -> dict[str, Any]:
    said = {"email": f"p{number}@x.example", "firstname": f"N{number}", **properties}
    return {
        "id": number,
        "updatedAt": "2026-01-31T10:00:00Z",
        "properties": said,
        "tags": ["a", None],
    }


@pytest.fixture
def crm(monkeypatch) -> Iterator[Crm]:
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    with Crm(("127.0.0.1", 0), _Answers) as server:
        server.contacts = [contact(number) for number in range(1, 8)]
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_every_page_lands_once_and_then_only_what_changed(tmp_path, crm):
    shop = Shop(tmp_path)
    source = shop.declare(CONTACTS % crm.url())
    assert (shop.pull(source).landed, shop.pull(source).changed) == (7, False)
    row = shop.landed("profiles")[0]
    assert row["traits"] == {"name": {"first": "N1"}, "tags": ["a", None]}
    assert row["identifiers"] == [{"type": "email", "value": "p1@x.example"}]
    assert row["observed_at"] == "2026-01-31T10:00:00Z"

    crm.contacts[1] = contact(2, firstname="Renamed")
    del crm.contacts[6]
    result = shop.pull(source)
    assert (result.landed, result.deleted, result.rejected) == (1, 1, 0)


def test_a_row_without_its_key_is_a_reject_and_costs_no_other(tmp_path, crm):
    crm.contacts[3] = {**contact(4), "id": None}
    shop = Shop(tmp_path)
    result = shop.pull(shop.declare(CONTACTS % crm.url()))
    assert (result.landed, result.rejected) == (6, 1)
    (reject,) = shop.landed("rejects")
    assert reject["item"] == 4
    assert json.loads(reject["raw"])["properties"]["email"] == "p4@x.example"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("resource: contacts", "resource: people", "choose one of contacts, companies"),
        ("rest_api_source", "rest_source", "rest_source"),
        ("dlt.sources.rest_api", "dlt.sources.nowhere", "install what is missing"),
        ("${CRM_TOKEN}", "${NO_TOKEN}", "set NO_TOKEN in the environment"),
        ("path: contacts", "path: elsewhere", "401"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_without_a_secret(
    tmp_path, crm, old, new, says
):
    shop = Shop(tmp_path)
    source = shop.declare((CONTACTS % crm.url()).replace(old, new, 1))
    with pytest.raises(ExtractError) as told:
        shop.pull(source)
    assert says in str(told.value)
    assert TOKEN not in str(told.value)
    assert not (shop.home / "landing").exists()


def test_a_refused_request_leaves_no_connection_open(tmp_path, crm):
    shop = Shop(tmp_path)
    elsewhere = (CONTACTS % crm.url()).replace("path: contacts", "path: elsewhere")
    with pytest.raises(ExtractError) as told:
        shop.pull(shop.declare(elsewhere))
    error: BaseException | None = told.value
    while error and not hasattr(error, "response"):
        error = error.__cause__ or error.__context__
    assert error.response.raw.closed
