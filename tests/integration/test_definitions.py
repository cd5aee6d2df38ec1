"""The asset graph, the jobs, the schedule and the sensors, as Dagster sees them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test

from ingestion.contracts import Delivery, IdentityChange
from ingestion.settings import Settings
from orchestration.activation.plans import read_plan
from orchestration.activation.publishing import declared_syncs
from orchestration.activation.waking import Waiting, due_syncs
from orchestration.assets.layers import PUBLISHED, publish_key
from orchestration.dagster_events import KeptEventLog
from orchestration.definitions import batch
from orchestration.destinations.base import ActivationChange
from orchestration.instance import POOL, dagster_home, prepare_environment
from orchestration.jobs import JOBS
from orchestration.resources import platform as platform_resource
from orchestration.schedules import every_morning
from orchestration.sensors import new_changes, new_segments, undecided_deliveries
from orchestration.warehouse.loading import load
from orchestration.warehouse.schema import create_raw
from tests.conftest import ROOT
from tests.landed import event, land, platform

LATER = timedelta(minutes=11)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("PATH", "MILLRACE_WAREHOUSE"):  # set by what we call
            patch.setenv(name, os.environ.get(name, ""))
        yield batch()


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return platform(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


def test_every_asset_says_what_it_is_whose_it_is_and_where_it_belongs(
    definitions: dg.Definitions,
) -> None:
    silent = {
        spec.key.to_user_string()
        for spec in specs(definitions)
        if not (
            spec.description
            and spec.owners
            and spec.kinds
            and spec.freshness_policy
            and spec.group_name not in (None, "default")
        )
    }
    assert silent == set()


def test_what_we_run_ourselves_says_what_to_do_when_it_fails(
    definitions: dg.Definitions,
) -> None:
    ours = [
        s for s in specs(definitions) if "dbt" not in s.kinds and "http" not in s.kinds
    ]
    assert len(ours) > 20
    assert [s.key for s in ours if "If it fails" not in (s.description or "")] == []


def test_the_groups_are_the_layers(definitions: dg.Definitions) -> None:
    groups = {spec.group_name for spec in specs(definitions)}
    rooms = {
        p.name for p in (ROOT / "dbt_project/models").iterdir() if any(p.glob("*.sql"))
    }
    assert (
        groups == {"landing", "raw", "seeds", "facts", "published", "publish"} | rooms
    )


def test_every_declared_source_and_sync_is_an_asset(
    definitions: dg.Definitions,
) -> None:
    names = {tuple(spec.key.path) for spec in specs(definitions)}
    sources = {("landing", path.stem) for path in (ROOT / "sources").glob("*.yml")}
    syncs = {("publish", s.sync_name) for s in declared_syncs(Settings())}
    assert sources <= names
    assert syncs <= names


def test_ops_that_open_the_warehouse_are_in_its_pool_and_ops_that_call_out_are_not(
    definitions: dg.Definitions,
) -> None:
    job = definitions.resolve_job_def("daily_refresh")
    pools = {node.name: node.definition.pool for node in job.nodes}
    inside = {name for name, pool in pools.items() if pool == POOL}
    assert inside == {"load_landing", "dbt_build", "land_facts", "published__warehouse"}
    assert set(pools.values()) == {POOL, None}


def test_dbt_tests_are_asset_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checked = {key.asset_key.path[0] for key in graph.asset_check_keys}
    assert {"staging", "identity", "profiles", "audiences", "activation"} <= checked
    assert {"landing", "raw", "publish"} <= checked


def test_publishing_waits_for_the_read_copy_and_the_read_copy_for_every_model(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(PUBLISHED)
    models = {spec.key for spec in specs(definitions) if "dbt" in spec.kinds}
    seeds = {key for key in models if key.path[0] == "seeds"}
    assert models - seeds <= upstream
    for sync in declared_syncs(Settings()):
        assert graph.get(publish_key(sync.sync_name)).parent_keys == {PUBLISHED}


def test_the_identity_graph_is_judged_before_the_read_copy_is_made(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    health = dg.AssetKey(["observability", "obs_identity_health"])
    check = dg.AssetCheckKey(health, "the_identity_graph_is_within_its_bounds")
    assert check in graph.asset_check_keys
    assert health in graph.get_ancestor_asset_keys(PUBLISHED)


def test_every_check_of_what_a_refresh_reads_and_makes_runs_with_it(
    definitions: dg.Definitions,
) -> None:
    """Sources that push are never materialized, so theirs would not run by themselves."""
    names = {node.name for node in definitions.resolve_job_def("refresh").nodes}
    assert {"event_sources_are_alive", "everything_is_as_it_was"} <= names


def test_refresh_publishes_nothing(definitions: dg.Definitions) -> None:
    nodes = {name: definitions.resolve_job_def(name).nodes for name in JOBS}
    names = {job: {node.name for node in found} for job, found in nodes.items()}
    publishing = {n for n in names["daily_refresh"] if n.startswith("publish__")}
    assert names["publish"] == publishing
    assert not names["refresh"] & publishing
    assert names["refresh"] | publishing == names["daily_refresh"]


def test_the_workspace_loads_as_the_command_line_loads_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("dagster"),
            "definitions",
            "validate",
            "-w",
            "workspace.yaml",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_HOME": str(tmp_path),
            "DAGSTER_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_instance_has_one_slot_for_the_warehouse(home: Settings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("MILLRACE_WAREHOUSE", "")
        prepare_environment(home)
        with dg.DagsterInstance.get() as instance:
            assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
            assert instance.run_monitoring_enabled
            assert not instance.telemetry_enabled
            assert isinstance(instance.event_log_storage, KeptEventLog)
    settings = yaml.safe_load((dagster_home(home) / "dagster.yaml").read_text())
    assert settings["nux"] == {"enabled": False}


def test_events_are_kept_where_dagster_itself_looks_for_them(home: Settings) -> None:
    @dg.asset
    def thing() -> int:
        return 1

    (home.home / "instance").mkdir(parents=True)
    folder = str(home.home / "instance")
    kept = {"module": "orchestration.dagster_events", "class": "KeptEventLog"}
    told = {"event_log_storage": {**kept, "config": {"base_dir": folder}}}
    for settings in (told, {}, told):
        with dg.instance_for_test(overrides=settings, temp_dir=folder) as instance:
            done = dg.materialize([thing], instance=instance)
            (latest,) = instance.fetch_materializations(thing.key, limit=1).records
            assert latest.run_id == done.run_id
    with dg.instance_for_test(overrides=told, temp_dir=folder) as instance:
        runs = [run.run_id for run in instance.get_runs()]
        assert len(runs) == 3
        assert all(len(instance.all_logs(run)) > 5 for run in runs)
    assert not list(Path(folder).rglob("*.db-wal"))


def test_the_ui_hears_of_an_event_while_its_run_goes_on(home: Settings) -> None:
    (home.home / "instance").mkdir(parents=True)
    folder = str(home.home / "instance")
    kept = {"module": "orchestration.dagster_events", "class": "KeptEventLog"}
    told = {"event_log_storage": {**kept, "config": {"base_dir": folder}}}
    heard = []
    with dg.instance_for_test(overrides=told, temp_dir=folder) as instance:
        run = create_run_for_test(instance)
        instance.report_engine_event("begun", run)
        instance.watch_event_logs(
            run.run_id, None, lambda event, _: heard.append(event.message)
        )
        for number in range(3):
            instance.report_engine_event(f"step {number}", run)
            deadline = time.monotonic() + 10
            while f"step {number}" not in heard:
                assert time.monotonic() < deadline, heard
                time.sleep(0.05)


def test_the_schedule_runs_as_of_its_own_minute(home: Settings) -> None:
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 2, 1, 5, tzinfo=UTC),
            resources={"platform": platform_resource(home)},
        )
        (request,) = every_morning.evaluate_tick(context).run_requests
    for op in ("dbt_build", "land_facts"):
        config = request.run_config["ops"][op]["config"]
        assert config == {"as_of": "2026-02-01T05:00:00"}


def tick(
    sensor: dg.SensorDefinition, home: Settings, instance: dg.DagsterInstance
) -> dg.RunRequest | None:
    """What one tick of the sensor asks for."""
    context = dg.build_sensor_context(
        instance=instance, resources={"platform": platform_resource(home)}
    )
    requests = sensor.evaluate_tick(context).run_requests
    return requests[0] if requests else None


def test_newly_sealed_segments_start_one_refresh_and_more_of_them_another(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    assert tick(new_segments, home, instance) is None
    land(home, event("first"))
    first, again = (tick(new_segments, home, instance) for _ in range(2))
    land(home, event("second"))
    more = tick(new_segments, home, instance)
    assert first
    assert again
    assert more
    assert first.run_key == again.run_key != more.run_key
    load(home)
    assert tick(new_segments, home, instance) is None


def test_our_own_facts_alone_start_no_refresh(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    fact = IdentityChange(
        as_of=datetime(2026, 1, 31, tzinfo=UTC),
        identifier_type="email",
        identifier_value="ada@example.com",
        profile_id="p_1",
        reason="first",
    )
    land(home, fact, delivery("attempt"), delivery("outcome", "delivered"))
    assert tick(new_segments, home, instance) is None
    assert undecided_deliveries(home, datetime.now(UTC) + LATER) == []


def test_a_refresh_under_way_keeps_another_from_starting(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    land(home, event("first"))
    instance.add_run(
        dg.DagsterRun("refresh", run_id="r", status=dg.DagsterRunStatus.STARTED)
    )
    assert tick(new_segments, home, instance) is None


def test_a_run_command_that_was_killed_does_not_count_as_under_way(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    land(home, event("first"))
    dead = dg.DagsterRun(
        "refresh",
        run_id="r",
        status=dg.DagsterRunStatus.STARTED,
        tags={"millrace/started_by": "command"},
    )
    instance.add_run(dead)
    assert tick(new_segments, home, instance)
    assert instance.get_run_by_id("r").status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("outcome", [None, "unknown"])
def test_deliveries_of_unknown_outcome_start_a_refresh_once_they_had_their_time(
    home: Settings, outcome: str | None
) -> None:
    land(home, delivery("attempt"))
    if outcome:
        land(home, delivery("outcome", outcome))
    assert undecided_deliveries(home, datetime.now(UTC)) == []
    assert undecided_deliveries(home, datetime.now(UTC) + LATER)
    load(home)
    assert undecided_deliveries(home, datetime.now(UTC) + LATER) == []


def test_a_plan_is_due_until_it_was_attempted_and_again_after_a_retry(
    home: Settings,
) -> None:
    first = due(home)
    assert set(first) == {"a_sync"}
    land(home, delivery("attempt"), delivery("outcome", "retry"))
    assert due(home) == {}
    again = due(home, LATER)
    assert set(again) == {"a_sync"}
    assert again != first
    land(
        home, delivery("attempt", attempt="t2"), delivery("outcome", "delivered", "t2")
    )
    assert due(home, LATER) == {}


def due(home: Settings, later: timedelta = timedelta()) -> dict[str, list[str]]:
    wanted = Waiting({"a_sync": {"op_ada": "ada"}}, frozenset())
    return due_syncs(home.landing, wanted, datetime.now(UTC) + later)


def test_blocked_changes_start_nothing(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    write_copy(home, [change("ada", is_blocked=True)])
    assert tick(new_changes, home, instance) is None


def test_changes_in_the_read_copy_start_publishing_of_their_syncs_only(
    home: Settings, instance: dg.DagsterInstance
) -> None:
    assert tick(new_changes, home, instance) is None
    write_copy(home, [change("ada"), change("grace")])
    request = tick(new_changes, home, instance)
    assert request
    assert request.asset_selection == [publish_key("a_sync")]
    assert request.run_key == tick(new_changes, home, instance).run_key
    assert len(read_plan(home.published, "a_sync").changes) == 2
    land(home, *(delivery("attempt", key=key, attempt=key) for key in ("ada", "grace")))
    assert tick(new_changes, home, instance) is None


def delivery(
    kind: str, outcome: str | None = None, attempt: str = "t1", key: str = "ada"
) -> Delivery:
    return Delivery.model_validate(
        {
            "kind": kind,
            "sync_name": "a_sync",
            "op_id": f"op_{key}",
            "attempt_id": attempt,
            "recipient_key": key,
            "action": "enter",
            "generation": 0,
            "mapping_version": 1,
            "outcome": outcome,
        }
    )


def change(key: str, is_blocked: bool = False) -> ActivationChange:
    return ActivationChange(
        sync_name="a_sync",
        op_id=f"op_{key}",
        action="enter",
        recipient_key=key,
        recipient_type="user_id",
        handle=key,
        profile_id=f"p_{key}",
        payload={"user_id": key},
        payload_hash="h",
        mapping_version=1,
        generation=0,
        reason="met",
        is_blocked=is_blocked,
        blocked_by="emptied_audience" if is_blocked else None,
    )


def write_copy(home: Settings, changes: list[ActivationChange]) -> None:
    """A read copy with a plan in it and nothing else."""
    home.published.parent.mkdir(parents=True)
    with duckdb.connect(home.published) as connection:
        connection.execute("create schema activation")
        create_raw(connection)
        connection.execute(
            "create view activation.fct_sync_attempts as"
            " select *, \"at\" as settled_at from raw.deliveries where kind = 'attempt'"
        )
        connection.execute(
            "create table activation.int_sync_delivered"
            " (sync_name varchar, account varchar, is_present boolean)"
        )
        fields = list(ActivationChange.model_fields)
        kinds = {"is_blocked": "boolean", "generation": "bigint", "payload": "json"}
        columns = ", ".join(f"{name} {kinds.get(name, 'varchar')}" for name in fields)
        connection.execute(f"create table activation.activation_changes ({columns})")
        for each in changes:
            row = each.model_dump(mode="json")
            row["payload"] = '{"user_id": "ada"}'
            places = ", ".join("?" for _ in fields)
            connection.execute(
                f"insert into activation.activation_changes values ({places})",
                [row[name] for name in fields],
            )
