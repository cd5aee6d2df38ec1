"""What the documentation is made from says what is declared."""

import yaml

from ingestion.settings import Settings
from orchestration.documentation import exposures, exposures_file


def test_the_exposures_are_those_of_the_declared_syncs_and_journeys():
    settings = Settings()
    written = exposures_file(settings).read_text("utf-8")
    assert written == exposures(settings), (
        "run python -m orchestration.documentation --exposures"
    )


def test_an_exposure_names_the_audience_and_the_plan():
    found = {
        each["name"]: each
        for each in yaml.safe_load(exposures(Settings()))["exposures"]
    }
    assert (
        "ref('audience_new_prospects')"
        in found["journey_welcome_prospects"]["depends_on"]
    )
    assert (
        "ref('audience_repeat_buyers')"
        in found["sync_repeat_buyers_webhook"]["depends_on"]
    )
