"""SendGrid's POST /v3/recipients/erasejob on 127.0.0.1, by its documentation: 1 to 5,000 addresses, 256 KB, a bearer
key; 202 with a job_id. `answers` are the statuses of the next requests, before it behaves."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class EraseStub:
    def __init__(self, *answers: int, key: str = "a key") -> None:
        self.answers = list(answers)
        self.key = key
        self.jobs: list[list[str]] = []
        self.requests = 0

    @property
    def addresses(self) -> list[str]:
        return [address for job in self.jobs for address in job]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> EraseStub:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, told = stub.answer(self.path, self.headers.get("Authorization", ""), body)
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.requests += 1
        if self.answers:
            return self.answers.pop(0), {"errors": [{"message": "not now"}]}
        if path != "/v3/recipients/erasejob":
            return 404, {}
        if authorization != f"Bearer {self.key}":
            return 401, {}
        asked = json.loads(body)
        addresses = asked["email_addresses"]
        sound = set(asked) == {"email_addresses"} and len(body) <= 256_000 and 1 <= len(addresses) <= 5000
        if not sound or len(set(addresses)) < len(addresses):
            return 400, {}
        self.jobs.append(addresses)
        return 202, {"job_id": f"job-{len(self.jobs)}"}
