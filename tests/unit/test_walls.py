"""The walls hold, and each would say so if it did not: every check meets a planted violation."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.dbt import dbt, target
from tests.unit import walls
from tests.unit.portable import CONSTRUCTS, INSTEAD, SPELLINGS
from tests.unit.walls import Manifest

PYTHON_FILES = sorted(
    path
    for room in ("ingestion", "orchestration")
    for path in (ROOT / room).rglob("*.py")
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt parses it."""
    warehouse = tmp_path_factory.mktemp("parsed") / "millrace.duckdb"
    dbt(warehouse, "parse", "--quiet", as_of="2026-01-31T00:00:00", artifacts=True)
    return json.loads((target() / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("wall", walls.DBT_WALLS, ids=lambda wall: wall.__name__)
def test_nobody_walks_through(
    wall: Callable[[Manifest], Iterator[str]], manifest: Manifest
) -> None:
    found = list(wall(manifest))
    assert not found, "\n".join(["", *found])


def test_imports_stay_in_their_rooms() -> None:
    files = ((_module(path), path.read_text("utf-8")) for path in PYTHON_FILES)
    assert list(walls.imports_stay_in_their_rooms(files)) == []


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _planted(manifest: Manifest, name: str, **changes: Any) -> Manifest:
    """The manifest with one model changed."""
    planted = copy.deepcopy(manifest)
    planted["nodes"][f"model.millrace.{name}"].update(changes)
    return planted


def _with_code(manifest: Manifest, code: str) -> Manifest:
    return _planted(manifest, "int_profiles", raw_code=f"select 1 as one, {code}")


def test_a_model_that_reads_a_later_layer_is_caught(manifest: Manifest) -> None:
    planted = _planted(
        manifest,
        "int_profiles",
        depends_on={"nodes": ["model.millrace.audience_repeat_buyers"]},
    )
    assert list(walls.layers_flow_one_way(planted)) == [
        "identity/int_profiles reads audiences/audience_repeat_buyers"
    ]


def test_a_model_in_an_unknown_layer_is_caught(manifest: Manifest) -> None:
    planted = _planted(manifest, "int_profiles", path="elsewhere/int_profiles.sql")
    assert any("int_profiles" in found for found in walls.layers_flow_one_way(planted))


def test_a_public_door_to_what_is_no_public_table_is_caught(
    manifest: Manifest,
) -> None:
    config = manifest["nodes"]["model.millrace.int_profiles"]["config"]
    planted = _planted(
        manifest, "int_profiles", config={**config, "access": "public", "group": "x"}
    )
    assert list(walls.doors_are_what_names_say(planted)) == [
        "int_profiles is in the group x",
        "int_profiles is public",
    ]


def test_a_source_read_outside_staging_is_caught(manifest: Manifest) -> None:
    planted = _planted(
        manifest, "int_profiles", depends_on={"nodes": ["source.millrace.raw.events"]}
    )
    assert list(walls.only_staging_reads_sources(planted)) == [
        "identity/int_profiles reads source.millrace.raw.events"
    ]


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"patch_path": None}, "has no twin"),
        ({"patch_path": "millrace://models/identity/other.yml"}, "has no twin"),
        ({"description": " "}, "has no description"),
        (
            {"columns": {"profile_id": {"description": ""}}},
            "int_profiles.profile_id has no",
        ),
    ],
)
def test_a_model_that_does_not_tell_everything_is_caught(
    manifest: Manifest, changes: dict[str, Any], finding: str
) -> None:
    planted = _planted(manifest, "int_profiles", **changes)
    found = set(walls.two_files_tell_everything(planted)) - set(
        walls.two_files_tell_everything(manifest)
    )
    assert len(found) == 1
    assert finding in found.pop()


def test_a_public_model_without_a_contract_is_caught(manifest: Manifest) -> None:
    config = {"contract": {"enforced": False}}
    planted = _planted(manifest, "dim_identifiers", config=config)
    assert "dim_identifiers is public and has no enforced contract" in list(
        walls.public_means_contracted(planted)
    )


def test_an_incremental_model_without_marks_is_caught(manifest: Manifest) -> None:
    config = manifest["nodes"]["model.millrace.int_orders"]["config"]
    planted = _planted(manifest, "int_orders", config=config | {"post-hook": []})
    assert list(walls.incremental_models_remember(planted)) == [
        "int_orders is incremental and has no post-hook remember"
    ]


@pytest.mark.parametrize("code", ["{{ target.type }}", "{{ adapter.dispatch('x') }}"])
def test_a_model_that_knows_the_target_is_caught(manifest: Manifest, code: str) -> None:
    assert list(walls.no_model_knows_the_target(_with_code(manifest, code)))


def test_an_engine_named_outside_the_dialect_is_caught(manifest: Manifest) -> None:
    planted = _with_code(manifest, "'Spark' as engine")
    assert "int_profiles names an engine: Spark" in list(
        walls.engines_are_named_in_the_dialect_only(planted)
    )


@pytest.mark.parametrize(
    ("code", "instead"),
    [
        ("epoch_us(a) as b", "{{ epoch_micros(…) }}"),
        ("json_extract_string(a, '$.b')", "{{ json_text(…) }}"),
        ("get_json_object(a, '$.b')", "{{ json_text(…) }}"),
        ("sha256(a) as b", "{{ sha256_hex(…) }}"),
        ("regexp_matches(a, 'x')", "{{ matches(…) }}"),
        ("strptime(a, '%Y')", "{{ moment(…) }}"),
        ("date_diff('day', a, b)", "{{ days_between(…) }}"),
        ("list_filter(items, lambda x: x > 1)", "{{ each(…) }}"),
        ("concat(a, b)", "concat, which one engine lacks or reads otherwise"),
        ("string_agg(a)", "array_sort(array_agg(…))"),
        ("ifnull(a, b)", "coalesce(…)"),
        ("substr(a, 1, 2)", "instead: substring(…)"),
        ("levenshtein(a, b)", "a macro of its own in macros/dialect"),
        ("now() as b", "{{ as_of() }}"),
        ("current_date as b", "{{ as_of() }}"),
        ("uuid() as b", "nothing of chance"),
        (
            "a[1] as b",
            "a[1], which one engine refuses or reads otherwise; instead: {{ nth",
        ),
        ("[1, 2] as b", "{{ list_of_one(…) }}"),
        ("{'a': 1} as b", "{{ json_object_of(…) }}"),
        ("a ->> 'b'", "{{ json_text(…) }}"),
        ("a::bigint", "cast(… as …)"),
        ("cast(a as text)", "{{ dbt.type_string() }}"),
        ("cast(a as hugeint)", "cast(… as bigint)"),
        ("cast(a as timestamptz)", "cast(… as timestamp), which is UTC"),
        ("a at time zone 'UTC'", "{{ local_time(…) }}"),
        ("extract(dow from a)", "extract of year"),
        ("a // 2", "floor"),
        ("a ** 2", "pow(…)"),
        ("a ~ 'x'", "{{ matches(…) }}"),
        ("row_number() over () as n qualify n = 1", "number the rows in a subquery"),
        ("* exclude (a)", "name the columns"),
        ("2 as b from t anti join u on 1 = 1", "a left join"),
        ("array_agg(a order by b)", "array_sort(array_agg(…))"),
        ("lag(a ignore nulls) over ()", "{{ last_known(…) }}"),
        (r"replace(a, '\d', '')", "no backslash"),
        ("b.b from t cross join unnest(a) as b (b)", "{{ each(…) }}"),
        ("2 as b from t using sample 10", "nothing of chance"),
        ("2 as b from t {{ each('t.c', 'd') }} where d.d = 1", "in the next step"),
        (
            "2 as b from t {{ each('t.c', 'd') }} left join u on 1 = 1",
            "in the next step",
        ),
    ],
)
def test_what_one_engine_alone_understands_is_told_with_what_to_write_instead(
    manifest: Manifest, code: str, instead: str
) -> None:
    planted = _with_code(manifest, code)
    told = [
        *walls.functions_are_known_to_both_engines(planted),
        *walls.constructs_are_known_to_both_engines(planted),
    ]
    assert any(s.startswith("int_profiles ") and instead in s for s in told), told


@pytest.mark.parametrize(
    "code",
    [
        "2 as two -- not unnest(items)",
        "'a -> b // c [1] ** {''d''}' as b",
        "{{ json_text('a', '$.b[0]') }} as c",
        "{{ json_texts('a', ['$.b', '$.c']) }} as c",
        "extract(hour from a) as b",
        "a + interval '30' day as b",
        "cast(a as decimal(18, 2)) as b",
    ],
)
def test_what_both_engines_understand_is_let_through(
    manifest: Manifest, code: str
) -> None:
    planted = _with_code(manifest, code)
    told = [
        *walls.engines_are_named_in_the_dialect_only(planted),
        *walls.functions_are_known_to_both_engines(planted),
        *walls.constructs_are_known_to_both_engines(planted),
    ]
    assert told == []


def test_advice_names_macros_that_are_there(manifest: Manifest) -> None:
    advice = [*INSTEAD.values(), *CONSTRUCTS.values(), *SPELLINGS.values()]
    named = set(re.findall(r"{{ (?!dbt\.)(\w+)\(", " ".join(advice)))
    macros = {m["name"] for m in manifest["macros"].values()}
    assert named
    assert named <= macros


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("default__json_text", "hides an engine"),
        ("duckdb__only_here", "has no spark__ body"),
        ("spark__only_here", "has no duckdb__ body"),
    ],
)
def test_a_macro_without_a_body_per_engine_is_caught(
    manifest: Manifest, name: str, finding: str
) -> None:
    planted = copy.deepcopy(manifest)
    planted["macros"][f"macro.millrace.{name}"] = {
        "name": name,
        "package_name": "millrace",
        "path": "macros/dialect/planted.sql",
        "macro_sql": "",
    }
    found = list(walls.every_dialect_macro_has_a_body_per_engine(planted))
    assert any(finding in sentence for sentence in found)


@pytest.mark.parametrize(
    "code",
    [
        "{% for x in range(3) %} {{ x }} as x, {% endfor %}",
        "{%- if var('as_of') %} 1 as a {%- endif %}",
        "{% set a = 1 %}",
        "{% if is_incremental() and var('as_of') %} 1 {% endif %}",
    ],
)
def test_control_flow_in_a_model_is_caught(manifest: Manifest, code: str) -> None:
    found = list(walls.models_are_plain_sql(_with_code(manifest, code)))
    assert any("int_profiles has control flow" in sentence for sentence in found)


def test_a_model_that_is_only_a_macro_call_is_caught(manifest: Manifest) -> None:
    planted = _planted(manifest, "int_profiles", raw_code="{{ select_everything() }}")
    assert "int_profiles is only a macro call" in list(
        walls.models_are_plain_sql(planted)
    )


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("ingestion.settings", "import dagster"),
        ("ingestion.contracts.base", "from ingestion.landing import LandingWriter"),
        ("ingestion.landing", "import duckdb"),
        ("ingestion.collector.app", "from ingestion.connectors import pull"),
        ("ingestion.connectors.files", "def late():\n    from dagster import op"),
        ("orchestration.destinations.webhook", "from orchestration import assets"),
        ("orchestration.realtime", "import dagster_dbt"),
        ("orchestration.relay.copy", "from orchestration.resources import dbt_cli"),
    ],
)
def test_an_import_through_a_wall_is_caught(module: str, text: str) -> None:
    assert list(walls.imports_stay_in_their_rooms([(module, text)]))


@pytest.mark.parametrize(
    ("file", "text", "is_banned"),
    [
        ("ingestion/planted.py", "import dagster", True),
        ("ingestion/collector/planted.py", "from duckdb import connect", True),
        ("ingestion/contracts/planted.py", "import dbt.cli", True),
        ("orchestration/assets/planted.py", "import dagster", False),
    ],
)
def test_ruff_bans_what_the_front_door_must_not_know(
    file: str, text: str, is_banned: bool
) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID251",
    ]
    checked = subprocess.run(
        [*command, "--stdin-filename", file, "-"],
        input=text + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ("TID251" in checked.stdout) is is_banned, checked.stdout + checked.stderr
