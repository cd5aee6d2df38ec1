"""Who is told what, once: findings, failed runs and checks; by mail, by webhook, by both."""

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import orjson
import pytest
import yaml
from standardwebhooks import Webhook

from ingestion.settings import Settings
from orchestration.activation.alerts import look_and_tell
from orchestration.quality.checks import CHECKS, judged
from orchestration.quality.findings import NEWS, Finding
from orchestration.quality.runs import failures
from orchestration.quality.tellers import Mail, tellers
from orchestration.relay.pulse import Pulse
from tests.chaos_receiver import SECRET
from tests.conftest import ROOT
from tests.integration.shop import Shop

MODELS = ROOT / "dbt_project/models/observability"
RATES = (MODELS / "obs_source_rates.sql").read_text()
SILENT = Finding(
    *("source_silent", "web_shop", "all events", date(2026, 1, 27)),
    *("0 events", "800 give or take 300", "Is its sender running"),
)


class Post(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as it takes to be handed a message."""

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            if line.upper() != "DATA":
                self._say("221 bye" if line.upper() == "QUIT" else "250 fine")
                continue
            self._say("354 go on")
            message = b"".join(iter(self.rfile.readline, b".\r\n"))
            self.server.letters.append(message.decode())
            self._say("250 kept")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class PostOffice(socketserver.ThreadingTCPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.letters: list[str] = []


@contextmanager
def post_office() -> Iterator[tuple[PostOffice, str]]:
    with PostOffice() as office:
        thread = threading.Thread(target=office.serve_forever)
        thread.start()
        try:
            yield office, f"smtp://127.0.0.1:{office.server_address[1]}"
        finally:
            office.shutdown()
            thread.join()


@contextmanager
def endpoint() -> Iterator[tuple[list[tuple[dict[str, str], bytes]], str]]:
    """Somebody's webhook: what it heard, and where it is."""
    heard: list[tuple[dict[str, str], bytes]] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield heard, f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_letter_names_what_is_wrong_and_no_line_of_it_becomes_a_header():
    with post_office() as (office, server):
        assert Mail("oncall@example.com", server).tell(
            "web_shop is silent\nBcc: x@y.example"
        )
    (letter,) = office.letters
    head, _, body = letter.partition("\r\n\r\n")
    assert "Subject: Millrace: web_shop is silent" in head
    assert "\nBcc" not in head
    assert "web_shop is silent" in body


def test_a_mail_server_that_is_away_took_nothing():
    with post_office() as (_, server):
        pass
    assert not Mail("oncall@example.com", server).tell("web_shop is silent")


def test_mail_without_a_server_is_a_mistake_with_a_sentence():
    with pytest.raises(ValueError, match="MILLRACE_SMTP"):
        Mail("oncall@example.com", "")


def test_all_who_are_named_are_told(tmp_path):
    with endpoint() as (heard, url), post_office() as (office, server):
        entry = {
            "name": "tool",
            "kind": "webhook",
            "url": url,
            "secret": SECRET,
            "allow_loopback": ["127.0.0.1"],
        }
        declared = tmp_path / "destinations.yml"
        declared.write_text(yaml.safe_dump({"destinations": [entry]}))
        settings = Settings(
            home=tmp_path,
            destinations_file=declared,
            alerts="tool, mailto:oncall@example.com",
            smtp=server,
        )
        with tellers(settings) as named:
            assert [each.tell(SILENT.sentence()) for each in named] == [True, True]
    ((headers, body),) = heard
    assert Webhook(SECRET).verify(body, headers)
    body = orjson.loads(body)
    assert (body["type"], body["data"]["sentence"]) == ("alert", SILENT.sentence())
    assert len(office.letters) == 1


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, sentence: str) -> bool:
        self.heard.append(sentence)
        return True


def publish_with(shop: Shop, *found: Finding) -> None:
    """A read copy with these findings."""
    shop.warehouse.room.connection.execute(
        "create or replace table observability.obs_findings (finding varchar, source_id varchar, "
        "place varchar, found_date date, observed varchar, expected varchar, remedy varchar)"
    )
    for each in found:
        shop.warehouse.room.connection.execute(
            "insert into observability.obs_findings values (?, ?, ?, ?, ?, ?, ?)",
            [*vars(each).values()],
        )
    shop.warehouse.publish()


def test_a_finding_is_told_once_and_once_when_it_is_over(tmp_path):
    listener, now = Listener(), datetime.now(UTC)
    shop = Shop(tmp_path)
    settings = shop.home
    publish_with(shop, SILENT)
    cursor, _ = look_and_tell(settings, None, now, listener)
    cursor, _ = look_and_tell(settings, cursor, now, listener)
    told = [said for said in listener.heard if "web_shop" in said]
    assert told == [SILENT.sentence()]
    publish_with(shop)
    cursor, _ = look_and_tell(settings, cursor, now, listener)
    assert f"Over: {SILENT.sentence()}" in listener.heard

    # A relay that was on and stands still; before it ever was on, nobody missed it.
    Pulse(settings).beat()
    beaten = datetime.now(UTC)
    heard = []
    for minutes in (1, 10, 20):
        then = beaten + timedelta(minutes=minutes)
        cursor, told = look_and_tell(settings, cursor, then, listener)
        heard.append([said[:5] for said in told if "relay_one" in said])
    assert heard == [[], ["relay"], []]
    Pulse(settings).beat()
    look_and_tell(settings, cursor, datetime.now(UTC), listener)
    assert listener.heard[-1].startswith("Over: relay: nobody has relayed since")


def test_every_finding_that_the_model_lists_fails_exactly_one_check():
    described = (MODELS / "obs_findings.yml").read_text()
    listed = described.partition("What it is: ")[2].partition('"')[0]
    kinds = {word.strip() for word in listed.replace(" or ", ", ").split(",")}
    checked = [kind for kinds in CHECKS.values() for kind in kinds]
    assert len(checked) == len(set(checked))
    assert set(checked) | NEWS == kinds
    sql = "".join(path.read_text() for path in MODELS.glob("*_findings.sql"))
    assert [kind for kind in kinds if kind.partition("_")[2] not in sql + RATES] == []


def test_a_failed_check_says_every_finding_with_its_remedy():
    result = judged("no_source_is_silent", [SILENT])
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "Is its sender running" in result.description


@dg.asset(check_specs=[dg.AssetCheckSpec("is_fine", asset="thing")])
def thing(context: dg.AssetExecutionContext) -> Iterator[object]:
    state = context.run.tags["state"]
    if state == "broken":
        raise dg.Failure("broken")
    yield dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(passed=state == "fine", description="is not fine")
        ]
    )


def test_a_failed_run_and_a_failed_check_are_wrong_until_the_job_ends_well():
    job = dg.Definitions(
        assets=[thing],
        jobs=[dg.define_asset_job("refresh", executor_def=dg.in_process_executor)],
    ).resolve_job_def("refresh")
    with dg.DagsterInstance.ephemeral() as instance:

        def after(state: str) -> dict[str, str]:
            job.execute_in_process(
                instance=instance, raise_on_error=False, tags={"state": state}
            )
            return failures(instance, ["refresh"])

        assert failures(instance, ["refresh"]) == {}
        (said,) = after("broken").values()
        assert "refresh failed in thing" in said
        assert after("odd") == {
            "check|thing|is_fine": "thing: the check is_fine failed. is not fine"
        }
        assert after("fine") == {}
