"""Keys are found by their text, kept as hashes, and gone when revoked; the command line does the same."""

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from ingestion.__main__ import main
from ingestion.collector.door import offered_key
from ingestion.collector.keys import KeyStore, UnknownKey


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "home" / "keys.json")


def test_a_new_key_is_found_by_its_text_and_not_kept_as_text(store: KeyStore) -> None:
    text, key = store.create("web_shop", ("tracker",))
    assert text.startswith("mr_tracker_")
    assert store.find(text) == key
    assert (key.source_id, key.channel) == ("web_shop", "client")
    assert text not in store._path.read_text()
    assert store._path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "mr_tracker_x", "\udcff"])
def test_what_is_no_key_opens_nothing(store: KeyStore, text: str) -> None:
    assert store.find(text) is None
    store.create("web_shop", ("tracker",))
    assert store.find(text) is None


def test_a_key_that_a_sender_has_already_is_imported_once(store: KeyStore) -> None:
    store.import_text("WRITE_KEY", "app", ("integration",))
    with pytest.raises(ValueError, match="exists already"):
        store.import_text("WRITE_KEY", "other", ("integration",))


def test_a_revoked_key_opens_nothing_and_stays_listed(store: KeyStore) -> None:
    text, key = store.create("web_shop", ("tracker",))
    revoked = store.revoke(key.key_id)
    assert store.find(text) is None
    assert store.all() == [revoked]
    assert store.revoke(key.key_id[:5]).revoked_at == revoked.revoked_at


def test_revoking_needs_a_key_that_is_meant(store: KeyStore) -> None:
    with pytest.raises(UnknownKey, match="0 keys"):
        store.revoke("nope")
    store.create("a", ("batch",))
    store.create("b", ("batch",))
    with pytest.raises(UnknownKey, match="2 keys"):
        store.revoke("")


def test_a_key_needs_a_source_and_a_scope(store: KeyStore) -> None:
    with pytest.raises(ValidationError):
        store.import_text("k", "", ("batch",))
    with pytest.raises(ValidationError):
        store.import_text("k", "a", ())


def test_keys_made_at_the_same_time_are_all_kept(store: KeyStore) -> None:
    makers = [
        threading.Thread(target=store.create, args=(f"source_{n}", ("batch",)))
        for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(store.all()) == 8


def test_a_change_by_another_process_is_seen(store: KeyStore) -> None:
    text, key = store.create("web_shop", ("tracker",))
    assert store.find(text)
    KeyStore(store._path).revoke(key.key_id)
    store._checked_at -= 2
    assert store.find(text) is None


def test_a_key_may_be_bound_to_web_origins(store: KeyStore) -> None:
    _, bound = store.create("web", ("tracker",), ("https://shop.example",))
    assert bound.allows_origin("https://shop.example")
    assert not bound.allows_origin("https://evil.example")
    assert not bound.allows_origin(None)
    _, free = store.create("web", ("tracker",))
    assert free.allows_origin(None)


def test_a_rotated_key_and_its_successor_are_both_good_for_a_while(
    store: KeyStore,
) -> None:
    text, key = store.create("web", ("tracker",), ("https://a.b",), 5.0, "acme")
    new_text, new, old = store.rotate(key.key_id, timedelta(seconds=0.3))
    rights = {"source_id", "scopes", "origins", "events_per_second", "tenant"}
    assert new.model_dump(include=rights) == key.model_dump(include=rights)
    assert new.replaces == old.key_id == key.key_id
    assert new_text != text
    assert store.find(text) == old
    assert store.find(new_text) == new
    time.sleep(0.35)
    assert store.find(text) is None
    assert store.find(new_text) == new


def test_a_key_at_its_end_is_not_rotated_again(store: KeyStore) -> None:
    _, key = store.create("web", ("tracker",))
    store.rotate(key.key_id, timedelta(hours=1))
    with pytest.raises(ValueError, match="rotated before"):
        store.rotate(key.key_id, timedelta(hours=1))
    _, other = store.create("web", ("tracker",))
    store.revoke(other.key_id)
    with pytest.raises(ValueError, match="is revoked"):
        store.rotate(other.key_id, timedelta(hours=1))


@pytest.mark.parametrize(
    ("headers", "offered"),
    [
        ({}, None),
        ({"x-api-key": "k"}, "k"),
        ({"x-api-key": "k", "authorization": "Bearer other"}, "k"),
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer  k "}, "k"),
        ({"authorization": "Basic azo="}, "k"),
        ({"authorization": "Basic azpwYXNz"}, "k"),
        ({"authorization": "Basic %%%"}, ""),
        ({"authorization": "Basic /w=="}, ""),
        ({"authorization": "Digest k"}, None),
    ],
)
def test_a_key_is_read_from_the_header_the_sender_can_set(
    headers: dict[str, str], offered: str | None
) -> None:
    assert offered_key(headers) == offered


def test_the_command_line_makes_lists_and_revokes_keys(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    store = KeyStore(tmp_path / "keys.json")
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out == "no keys yet\n"
    assert main(["keys", "create", "--source", "web", "--scope", "tracker"]) == 0
    text = capsys.readouterr().out.strip()
    key = store.find(text)
    assert key is not None
    given = ["--source", "app", "--scope", "integration", "--origin", "https://a.b"]
    assert main(["keys", "import", "MINE", *given]) == 0
    assert main(["keys", "import", "MINE", *given]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["keys", "rotate", key.key_id, "--overlap-hours", "2"]) == 0
    said = capsys.readouterr()
    assert KeyStore(store._path).find(said.out.split()[-1])
    assert f"{key.key_id} is good until" in said.err
    assert main(["keys", "revoke", key.key_id]) == 0
    assert main(["keys", "revoke", "nope"]) == 1
    assert "0 keys" in capsys.readouterr().err
    main(["keys", "list"])
    listed = capsys.readouterr().out
    assert "revoked" in listed
    assert f"replaces {key.key_id}" in listed
    assert text not in listed
