"""Slack's incoming webhook, as documented.

docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and docs.slack.dev/apis/web-api/rate-limits (read
2026-11): the URL is the secret; `text` is required; the answer to a good message is the text ok; one message a second,
short bursts aside, then 429 with Retry-After; text beyond 40,000 characters is cut.
"""

from tests.fakes.server import TOKEN, Fake, Request, Response, must

PATH = f"/services/T00/B00/{TOKEN}"


class Slack(Fake):
    """`events` are the messages of the channel."""

    window = (5, 5.0)

    def answer(self, request: Request) -> Response:
        must(request.path == PATH, 404, "no_service")
        must(request.method == "POST", 400, "invalid_payload")
        text = request.json.get("text")
        must(isinstance(text, str) and text, 400, "no_text")
        for mark in ("<!channel>", "<!here>", "<!everyone>"):
            must(mark not in text, 403, "action_prohibited")
        self.events.append({"text": text[:40_000]})
        return Response(200, "ok", {"Content-Type": "text/html"})
