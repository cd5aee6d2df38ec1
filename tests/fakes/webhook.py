"""Anyone's endpoint of our own webhook: verifies Standard Webhooks signatures and applies each operation once."""

from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.chaos_receiver import SECRET
from tests.fakes.server import Fake, Refused, Request, Response


class Receiver(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.applied: set[str] = set()

    def answer(self, request: Request) -> Response:
        try:
            Webhook(SECRET).verify(request.body, request.headers)
        except WebhookVerificationError as error:
            raise Refused(401, {"message": "signature"}) from error
        failed = []
        for place, change in enumerate(request.json["data"]["changes"]):
            if self.sour(place, change["recipient"]):
                failed.append({"op_id": change["op_id"], "status": "retry"})
            else:
                self._apply(change)
        return Response(200, {"failed": failed})

    def _apply(self, change: dict[str, Any]) -> None:
        if change["op_id"] in self.applied:
            return
        self.applied.add(change["op_id"])
        if change["action"] == "trigger":
            self.events.append(change)
        elif change["action"] == "exit":
            self.state.pop(change["recipient"], None)
        else:
            self.state[change["recipient"]] = change["attributes"]
