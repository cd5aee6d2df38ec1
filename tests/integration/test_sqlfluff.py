"""The SQL linter looks: it is silent about a clean model and finds what is planted, macros or not."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

CLEAN = """with

records as (select * from {{ ref('int_records') }}),

final as (
    select
        record_id,
        {{ hash_bigint('source_id') }} as source_key,
        {{ min_by('stream', ['source_id']) }} as stream
    from records {{ each('records.identifiers', 'item') }}
)

select * from final
"""


def lint(text: str) -> str:
    command = [sys.executable, "-m", "sqlfluff", "lint", "--disable-progress-bar"]
    linted = subprocess.run(
        [*command, "--stdin-filename", "dbt_project/models/identity/planted.sql", "-"],
        input=text,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return linted.stdout if linted.returncode else ""


def test_a_clean_model_full_of_macros_is_clean() -> None:
    assert lint(CLEAN) == ""


@pytest.mark.parametrize(
    ("given", "planted", "rule"),
    [
        ("final as (", "final AS (", "CP01"),
        ("        record_id,", "      record_id,", "LT02"),
        ("records {{ each", "records r {{ each", "AL01"),
        ("hash_bigint", "no_such_macro", "TMP"),
        ("select * from final", "select * frm final", "PRS"),
    ],
)
def test_a_planted_error_is_found(given: str, planted: str, rule: str) -> None:
    assert rule in lint(CLEAN.replace(given, planted))
