"""What browsers need beyond the paths for events: the tracker, and leave to talk to us from any site.

Which sites may use a key is the key's own list of origins, judged at the door.
"""

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware

from ingestion import tracker

TRACKER_PATHS = ("/v1/js/tracker.js", "/js/tracker.js")

HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Vary": "Accept-Encoding",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()


@router.get(TRACKER_PATHS[0])
@router.get(TRACKER_PATHS[1], include_in_schema=False)
async def tracker_script(request: Request) -> Response:
    """The browser tracker; it sends to where it was loaded from."""
    media_type = "text/javascript; charset=utf-8"
    if "gzip" in request.headers.get("accept-encoding", ""):
        zipped = {**HEADERS, "Content-Encoding": "gzip"}
        return Response(tracker.gzipped(), headers=zipped, media_type=media_type)
    return Response(tracker.source(), headers=HEADERS, media_type=media_type)


def welcome(app: FastAPI) -> None:
    """Serve the tracker, and let pages of any origin send events and read our answers."""
    app.include_router(router)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],
        max_age=86_400,
    )
