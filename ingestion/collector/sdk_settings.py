"""What the browser SDKs of the field fetch before they send: settings that point them back at this collector.

Segment's asks its `cdnURL`, RudderStack's its `configUrl`. Nothing is decided here; there are no destinations in a page.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ingestion.collector.answers import answer
from ingestion.collector.door import TheDoor
from ingestion.contracts.base import JsonObject

router = APIRouter()


@router.get("/v1/projects/{write_key}/settings")
async def segment_settings(request: Request, write_key: str, door: TheDoor) -> Response:
    """For Segment's browser SDK with this collector as its `cdnURL`: where to send, and nothing to load."""
    door.admit(request, write_key)
    sends_to = {
        "apiKey": write_key,
        "apiHost": f"{request.url.netloc}/v1",
        "protocol": request.url.scheme,
    }
    return _settings({"integrations": {"Segment.io": sends_to}})


@router.get("/sourceConfig/")
@router.get("/sourceConfig", include_in_schema=False)
async def rudder_settings(
    request: Request,
    door: TheDoor,
    write_key: Annotated[str, Query(alias="writeKey")] = "",
) -> Response:
    """For RudderStack's browser SDK with this collector as its data plane and `configUrl`."""
    key = door.admit(request, write_key)
    quiet = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    source = {
        "id": key.source_id,
        "name": key.source_id,
        "writeKey": write_key,
        "workspaceId": "millrace",
        "enabled": True,
        "config": {"statsCollection": quiet},
        "connections": [],
        "destinations": [],
        "dataplanes": {},
    }
    return _settings({"source": source})


def _settings(content: JsonObject) -> Response:
    return answer(content, Cache_Control="no-cache")
