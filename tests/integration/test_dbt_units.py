"""Every dbt unit test of the project, run the way a person would: build the tables empty, then test."""

from tests.conftest import ROOT
from tests.dbt import dbt
from tests.integration.warehouse import AS_OF, Warehouse


def test_every_dbt_unit_test_holds(tmp_path):
    warehouse = Warehouse(tmp_path)
    dbt(warehouse.file, "seed", "--quiet", as_of=AS_OF)
    dbt(warehouse.file, "run", "--quiet", "--empty", as_of=AS_OF)
    report = dbt(warehouse.file, "test", "--select", "test_type:unit", as_of=AS_OF)
    declared = sum(
        path.read_text().count("\nunit_tests:") > 0
        for path in (ROOT / "dbt_project/models").rglob("*.yml")
    )
    passed = int(report.rpartition("PASS=")[2].split()[0])
    assert passed >= declared > 0, report
