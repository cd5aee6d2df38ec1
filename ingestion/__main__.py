"""The front door's command line: run the collector, look after keys, list and replay what was refused.

python -m ingestion collector --port 8080
python -m ingestion keys create --source web_shop --scope tracker
python -m ingestion rejects replay --source web_shop --code invalid_trigger
"""

import argparse
import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any, get_args

from ingestion.collector import rejects
from ingestion.collector.keys import Key, KeyStore, Scope, UnknownKey
from ingestion.collector.metrics import FOLDER
from ingestion.collector.server import listen, serve
from ingestion.connectors import load_sources
from ingestion.contracts import schemas
from ingestion.contracts.clock import read_moment
from ingestion.contracts.refusals import WITHOUT_CONTENTS
from ingestion.contracts.triggers import load_triggers
from ingestion.front_door import check_declarations, mappings, webhook_sources
from ingestion.settings import settings


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        command: int = given.run(given)
    except (ValueError, UnknownKey) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return command


def collector(given: argparse.Namespace) -> int:
    check_declarations()
    if given.fd is None:
        listener = listen(given.host, given.port)
        host, port = listener.getsockname()[:2]
        print(f"collecting at http://{host}:{port}, documented at /docs", flush=True)
    else:
        listener = socket.socket(fileno=given.fd)
    with listener, suppress(KeyboardInterrupt), _shared_metrics(given.workers):
        serve(listener, given.workers)
    return 0


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """A folder where worker processes add up what they count."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="millrace-metrics-") as folder:
        os.environ[FOLDER] = folder
        yield


def create_key(given: argparse.Namespace) -> int:
    tenant = _tenant(given)
    text, key = _keys().create(
        given.source, given.scope, given.origin, given.rate, tenant
    )
    print(text)
    print(f"id {key.key_id}; the key is shown this once", file=sys.stderr)
    return 0


def import_key(given: argparse.Namespace) -> int:
    tenant = _tenant(given)
    key = _keys().import_text(
        given.key, given.source, given.scope, given.origin, given.rate, tenant
    )
    print(f"imported as {key.key_id}")
    return 0


def list_keys(given: argparse.Namespace) -> int:
    tenant = given.tenant or settings().tenant
    keys = [key for key in _keys().all() if tenant in (None, key.tenant)]
    print("\n".join(map(_described, keys)) or "no keys yet")
    return 0


def rotate_key(given: argparse.Namespace) -> int:
    overlap = timedelta(hours=given.overlap_hours)
    text, new, old = _keys().rotate(given.key_id, overlap)
    print(text)
    print(
        f"id {new.key_id}; the key is shown this once. "
        f"{old.key_id} is good until {old.expires_at:%Y-%m-%d %H:%M} UTC",
        file=sys.stderr,
    )
    return 0


def revoke_key(given: argparse.Namespace) -> int:
    key = _keys().revoke(given.key_id)
    print(f"revoked {key.key_id} of {key.source_id}")
    return 0


def list_rejects(given: argparse.Namespace) -> int:
    root, counts = settings().landing, Counter[tuple[str, str, str]]()
    done = rejects.replayed(root)
    for row in rejects.find(root, _wanted(given)):
        state = "replayed" if row["record_id"] in done else "open"
        if row["code"] in WITHOUT_CONTENTS:
            state = "passed over"
        counts[row["source_id"], row["code"], state] += 1
        if state == "open" or given.all:
            print(_told(row, state))
    for (source, code, state), count in sorted(counts.items()):
        print(f"{count} {state}: {code} from {source}", file=sys.stderr)
    return 0


def replay_rejects(given: argparse.Namespace) -> int:
    where = settings()
    sources = load_sources(where.sources_dir)
    reader = rejects.Replay(
        load_triggers(where.triggers_dir),
        webhook_sources(sources),
        mappings=mappings(sources),
    )
    wanted, home = _wanted(given), where.home.resolve()
    result = rejects.replay_landed(
        home, where.landing, wanted, reader, dry_run=given.dry_run
    )
    for record_id, reason in [*result.refused, *result.skipped]:
        print(f"{record_id}  {reason}")
    would = "would be " if given.dry_run else ""
    print(
        f"{len(result.accepted)} rejects {would}taken in as {result.events} events, "
        f"{len(result.refused)} refused still, {len(result.skipped)} passed over"
    )
    return 0


def write_schemas(given: argparse.Namespace) -> int:
    changed = schemas.write(load_triggers(settings().triggers_dir))
    print("\n".join(changed) or "nothing changed")
    return 0


def _wanted(given: argparse.Namespace) -> rejects.Filter:
    since = read_moment(given.since)[0] if given.since else None
    return rejects.Filter(given.source, given.code, given.endpoint, since, given.id)


def _told(row: rejects.Row, state: str) -> str:
    place = row["endpoint"] or ""
    place += "" if row["item"] is None else f"[{row['item']}]"
    fields = (row["record_id"], row["received_at"], row["source_id"], state)
    return "  ".join((*fields, row["code"], place, row["detail"]))


def _keys() -> KeyStore:
    return KeyStore(settings().keys)


def _tenant(given: argparse.Namespace) -> str | None:
    """Whose key it is. A tenant begins with its first key."""
    where = settings()
    tenant: str | None = given.tenant or where.tenant
    if tenant and not where.tenant:
        for folder in ("sources", "triggers"):
            (where.of_tenant(tenant).home / folder).mkdir(parents=True, exist_ok=True)
    return tenant


def _described(key: Key) -> str:
    state = "active"
    if key.revoked_at:
        state = f"revoked {key.revoked_at:%Y-%m-%d}"
    elif key.expires_at:
        state = f"{'until' if key.is_good else 'ended'} {key.expires_at:%Y-%m-%d %H:%M}"
    source = f"{key.tenant}/{key.source_id}" if key.tenant else key.source_id
    rate = f"{key.events_per_second:g}/s" if key.events_per_second else ""
    made = f"made {key.created_at:%Y-%m-%d}"
    after = f"replaces {key.replaces}" if key.replaces else ""
    told = (key.key_id, source, ",".join(key.scopes), rate, made, after, state)
    return "  ".join(each for each in told if each)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingestion")
    commands = parser.add_subparsers(required=True, metavar="command")

    serving = commands.add_parser("collector", help="receive events over HTTP")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    serving.add_argument("--workers", type=int, default=1, help="processes")
    serving.add_argument("--fd", type=int, help="an inherited listening socket instead")
    serving.set_defaults(run=collector)

    keys = commands.add_parser("keys", help="create, rotate, revoke … API keys")
    actions = keys.add_subparsers(required=True, metavar="action")
    create = actions.add_parser("create", help="make a random key and show it once")
    create.set_defaults(run=create_key)
    admit = actions.add_parser("import", help="accept a key that a sender has already")
    admit.add_argument("key")
    admit.set_defaults(run=import_key)
    for each in (create, admit):
        _add_key_options(each)
    listing = actions.add_parser("list", help="every key, without its text")
    listing.add_argument("--tenant", help="only this tenant's")
    listing.set_defaults(run=list_keys)
    rotate = actions.add_parser(
        "rotate", help="make a successor; both are good a while"
    )
    rotate.add_argument("key_id", help="its id, or the beginning of it")
    rotate.add_argument(
        "--overlap-hours", type=float, default=168, help="a week unless given"
    )
    rotate.set_defaults(run=rotate_key)
    revoke = actions.add_parser("revoke", help="stop accepting a key")
    revoke.add_argument("key_id", help="its id, or the beginning of it")
    revoke.set_defaults(run=revoke_key)
    _add_rejects(commands)
    writing = commands.add_parser("schemas", help="write the contracts' JSON Schemas")
    writing.set_defaults(run=write_schemas)
    return parser


def _add_rejects(commands: Any) -> None:
    parser = commands.add_parser("rejects", help="list and replay what was refused")
    actions = parser.add_subparsers(required=True, metavar="action")
    listing = actions.add_parser("list", help="the rejects that wait, and why")
    listing.add_argument("--all", action="store_true", help="replayed ones too")
    listing.set_defaults(run=list_rejects)
    replaying = actions.add_parser(
        "replay",
        help="take in what is acceptable by now, as of when it came; doubles nothing",
    )
    replaying.add_argument("--dry-run", action="store_true", help="land nothing")
    replaying.set_defaults(run=replay_rejects)
    for each in (listing, replaying):
        each.add_argument("--source", help="its source")
        each.add_argument("--code", help="its reason code, such as invalid_event")
        each.add_argument("--endpoint", help="where it was sent, such as /v1/track")
        each.add_argument("--since", help="received at or after, ISO 8601")
        each.add_argument("--id", help="its record id, or the beginning of it")


def _add_key_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, help="source of all it brings")
    parser.add_argument(
        "--scope",
        action="append",
        choices=get_args(Scope),
        required=True,
        help="tracker: browsers; integration: servers; batch: imports",
    )
    parser.add_argument("--tenant", help="whose it is; the house's own if not given")
    parser.add_argument(
        "--origin", action="append", default=[], help="web origin it may be used from"
    )
    parser.add_argument(
        "--rate",
        type=float,
        help="events a second it may send, to each worker; ten seconds' worth at once",
    )


if __name__ == "__main__":
    sys.exit(main())
