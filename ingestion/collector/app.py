"""The collector's paths, and the application that uvicorn serves. What happens behind a path is `door`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from ingestion.collector import browsers, sdk_settings
from ingestion.collector.answers import Answered, answer, problem
from ingestion.collector.door import Door, TheDoor
from ingestion.collector.metrics import CONTENT_TYPE, Measured
from ingestion.collector.pages import PAGE_HEADERS, page
from ingestion.collector.receiving import Receiving
from ingestion.contracts.base import JsonObject
from ingestion.contracts.events import EventType

SINGLE_PATHS = ("/ingest", "/api/ingest")
SPEC_PATHS: dict[str, EventType] = {
    f"/v1/{spelling}": call_type
    for call_type in get_args(EventType)
    for spelling in (call_type, call_type[0])
}
"""The calls of the Segment spec by their paths, long as servers and short as browsers send them."""
BATCH_PATHS = ("/tenant/ingest/batch", "/v1/batch", "/batch", "/v1/b", "/v1/import")

ABOUT = """Events in, as one call or in batches: Segment or RudderStack SDKs unchanged, server events, flat events.

A 200 means that every accepted event is safely on disk. A key goes into `X-API-Key`, the Basic user name, a bearer
token, or `writeKey` in the body; it names the source. Errors are `{"code", "message", "errors": [{"path", "reason"}]}`.
"""

SPEC_EXAMPLES: dict[EventType, JsonObject] = {
    "track": {"event": "Product Viewed", "properties": {"product_id": "P-1234"}},
    "page": {"name": "Home", "properties": {"url": "https://shop.example/"}},
    "screen": {"name": "Basket"},
    "identify": {"traits": {"email": "ada@example.com"}},
    "group": {"groupId": "family-7", "traits": {"plan": "plus"}},
    "alias": {"previousId": "an-anonymous-id"},
}

router = APIRouter()


async def ingest(request: Request, door: TheDoor) -> Response:
    """One event, in any shape."""
    return await door.single(request)


async def batch(request: Request, door: TheDoor) -> Response:
    """Many events, each with a result of its own: accepted, duplicate or rejected."""
    return await door.batch(request)


async def spec_call(request: Request, door: TheDoor) -> Response:
    """One call of the Segment spec; the path names its type."""
    return await door.single(request, SPEC_PATHS[request.scope["path"]])


async def trigger(request: Request, name: str, door: TheDoor) -> Response:
    """A call of a custom trigger, held against the version it names; `GET /triggers` says what is valid."""
    return await door.trigger(request, name)


async def webhook(request: Request, source: str, door: TheDoor) -> Response:
    """What another system tells us, signed the way its source declares; each message has a result of its own."""
    return await door.webhook(request, source)


async def tenant_webhook(
    request: Request, tenant: str, source: str, door: TheDoor
) -> Response:
    """The same for a source of a tenant; the signature's secret is that source's own."""
    return await door.webhook(request, source, tenant)


@router.get("/triggers")
async def triggers(request: Request, door: TheDoor) -> Response:
    """Every version of every custom trigger, with the JSON Schema of its properties; as a page for browsers.

    The house's, unless a key says whose.
    """
    found = await door.triggers(request)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(page(found), headers=PAGE_HEADERS)
    return answer({"triggers": found}, Vary="Accept")


@router.get("/sources")
async def sources(request: Request, door: TheDoor) -> Response:
    """Every declared source, its owner, and how it sends. Needs a key that is not a web page's."""
    return await door.sources(request)


@router.get("/metrics")
async def metrics(request: Request, door: TheDoor) -> Response:
    """Counters and timings in the text format of Prometheus. A tenant's key sees that tenant's, the house's sees all."""
    text = await door.counted(request)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


@router.get("/healthz")
async def healthz() -> Response:
    """The process is up."""
    return answer({"status": "ok"})


@router.get("/readyz")
async def readyz(door: TheDoor) -> Response:
    """The disk takes what we bring."""
    if not door.tenants.is_healthy:
        raise problem(503, "unavailable", "the disk refused a moment ago")
    return answer({"status": "ready"})


def _receiving() -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """Every path that takes events in, what handles it, and an example of its body."""
    event = {"event": "purchase_completed", "customer_id": "cust_12345"}
    for path in SINGLE_PATHS:
        yield path, ingest, event
    for path in BATCH_PATHS:
        yield path, batch, {"batch": [{"type": "track", "event": "Signed Up"}]}
    for path, call_type in SPEC_PATHS.items():
        yield path, spec_call, {"userId": "u-1", **SPEC_EXAMPLES[call_type]}
    score = {"version": "1.0", "userId": "u-1", "properties": {"score": 9}}
    yield "/triggers/{name}", trigger, score
    opened = {"type": "email.opened", "data": {"recipient": "ada@example.com"}}
    yield "/webhooks/{source}", webhook, opened
    yield "/tenants/{tenant}/webhooks/{source}", tenant_webhook, opened


async def _answered(request: Request, error: Exception) -> Response:
    assert isinstance(error, Answered)
    return error.response


async def _http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the same shape as our own errors."""
    assert isinstance(error, HTTPException)
    code = str(error.detail).lower().replace(" ", "_")
    headers = dict(error.headers or {})
    return problem(error.status_code, code, str(error.detail), **headers).response


def create_app(door: Door) -> FastAPI:
    """The application around a door. Closing its tenants, and so sealing, is part of its shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        door.tenants.close()

    app = FastAPI(
        title="Millrace collector",
        description=ABOUT,
        lifespan=lifespan,
        redirect_slashes=False,  # SDKs lose what a 3xx answers
    )
    app.state.door = door
    for path, endpoint, example in _receiving():
        body = {"application/json": {"schema": {}, "example": example}}
        documented = {"requestBody": {"required": True, "content": body}}
        app.add_api_route(path, endpoint, methods=["POST"], openapi_extra=documented)
    declared = [route for route in app.routes if isinstance(route, APIRoute)]
    app.router.routes.insert(0, Receiving(declared, door))
    app.include_router(router)
    app.include_router(sdk_settings.router)
    browsers.welcome(app)
    app.add_middleware(Measured, metrics=door.metrics)
    app.add_exception_handler(Answered, _answered)
    app.add_exception_handler(HTTPException, _http_error)
    return app
