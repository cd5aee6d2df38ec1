"""Journeys as people declare them: journeys/*.yml, checked, as rows for the warehouse and as syncs for delivery.

Who enters when is SQL (dbt_project/models/journeys); when it is asked within seconds, orchestration/realtime.py asks it.
"""

from orchestration.journeys.declarations import Journey, JourneyError
from orchestration.journeys.loading import journey_syncs, load_journeys

__all__ = ["Journey", "JourneyError", "journey_syncs", "load_journeys"]
