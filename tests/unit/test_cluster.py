"""What can be said of clusters without one: settings, extras, and what comes home."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestration.cluster.home import ASKED_FOR, EVENTS, RAW, is_wanted
from orchestration.cluster.loopback import Member, down, status, up
from orchestration.cluster.reading import Place
from orchestration.cluster.session import (
    ENDPOINTS,
    SESSION,
    ClusterMissing,
    cluster,
    spark_type,
)
from orchestration.relay.copy import FACTS
from orchestration.warehouse.schema import raw_tables
from orchestration.warehouse.segments import Measured
from tests.conftest import ROOT
from tests.landed import platform

WITHOUT_PYSPARK = """
import sys
sys.modules["pyspark"] = None
from orchestration.cluster import home, loading, loopback, trial
from orchestration.cluster.session import ClusterMissing
from orchestration.warehouse.engines import load
from ingestion.settings import settings
try:
    load(settings())
except ClusterMissing as error:
    print(error)
"""


def test_nothing_wants_pyspark_before_a_cluster_is_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYSPARK],
        cwd=ROOT,
        env={"MILLRACE_HOME": str(tmp_path), "MILLRACE_TARGET": "spark"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "needs the extra of that name: pip install 'millrace[spark]'" in done.stdout


def test_pyspark_is_imported_in_functions_only() -> None:
    for room in ("ingestion", "orchestration", "simulator"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.parse(path.read_text("utf-8")).body:
                imported = ast.unparse(node) if _is_import(node) else ""
                assert "pyspark" not in imported, path
                assert "pysail" not in imported, path


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_python_and_dbt_open_the_same_session() -> None:
    profiles = yaml.safe_load((ROOT / "dbt_project/profiles.yml").read_text("utf-8"))
    for target in ("spark", "sail"):
        said = dict(profiles["millrace"]["outputs"][target]["server_side_parameters"])
        endpoint = said.pop("spark.remote")
        assert f"'{ENDPOINTS[target]}'" in endpoint
        assert {name: said[name] for name in SESSION} == SESSION


def test_an_endpoint_that_nobody_answers_is_told_at_once(tmp_path: Path) -> None:
    home = platform(tmp_path).model_copy(
        update={"target": "spark", "spark_remote": "sc://127.0.0.1:9"}
    )
    with (
        pytest.raises(ClusterMissing, match=r"Nobody answers at sc://127\.0\.0\.1:9"),
        cluster(home),
    ):
        pass


def test_every_type_of_raw_has_one_on_spark() -> None:
    kinds = {kind for columns in raw_tables().values() for kind in columns.values()}
    assert {spark_type(kind) for kind in kinds} >= {"string", "array<string>", "bigint"}
    with pytest.raises(TypeError, match="No Spark type is known for 'hugeint'"):
        spark_type("hugeint")


@pytest.mark.parametrize(
    ("schema", "name", "comes"),
    [
        ("activation", "int_sync_delivered", True),
        ("profiles", "dim_profiles", True),
        ("identity", "identity_changes_pending", True),
        ("identity", "int_solved_graph", False),
        ("staging", "fct_events", False),
        ("sessions", "int_session_events", False),
    ],
)
def test_what_is_asked_for_comes_home(schema: str, name: str, comes: bool) -> None:
    assert is_wanted(schema, name, set()) is comes


def test_what_the_relay_and_the_plans_read_comes_home() -> None:
    assert set(FACTS) <= ASKED_FOR
    assert {"deliveries", "journeys", "loads"} <= RAW
    assert not ASKED_FOR & EVENTS


def test_segments_are_put_where_the_cluster_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"{}\n")
    segment = Measured("events", "a", path, 1, 3, "")
    home = platform(tmp_path / "home")
    assert Place(home).put(segment) == path.as_uri()
    place = Place(home.model_copy(update={"spark_landing": f"memory://{tmp_path}"}))
    uri = place.put(segment)
    assert re.fullmatch(rf"memory://{tmp_path}/staged-[0-9a-f]{{16}}/a\.ndjson", uri)
    place.clear()


def test_only_a_homes_own_copies_are_removed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "thesis.tex").write_text("…")
    homes = [platform(tmp_path / name) for name in ("one", "other")]
    places = [
        Place(home.model_copy(update={"spark_landing": str(shared)})) for home in homes
    ]
    for place in places:
        place.put_text("a", b"{}\n")
    places[0].clear()
    assert len([path for path in shared.rglob("*") if path.is_file()]) == 2


def test_only_processes_that_it_started_are_ended(tmp_path: Path) -> None:
    bystander = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    )
    state = tmp_path / "running.json"
    reused = Member("connect", bystander.pid, 1)
    state.write_text(
        f'{{"remote": "sc://127.0.0.1:1", "members": [{{"name": "connect", "pid": {reused.pid}, "started": 1}}]}}'
    )
    assert status(tmp_path) is None
    down(tmp_path)
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(ClusterMissing, match=r"thesis\.tex"):
        up(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_whoever_asks_to_be_erased_is_found_without_the_cluster() -> None:
    """Deliveries are held back by what the read copy says of the person, so all that is asked there comes home."""
    text = (ROOT / "orchestration/privacy/subject.py").read_text("utf-8")
    asked = set(re.findall(r"from (identity|profiles|staging)\.(\w+)", text))
    assert asked
    for schema, name in asked:
        assert is_wanted(schema, name, set()), name
