"""A server on this machine that speaks OpenAI's protocol and gives prepared answers."""

import http.server
import json
import threading
import time
from typing import Self


class Server:
    """Answers in turn, the last answer for ever, and keeps what it was asked: (path, headers, body).

    Args:
        answers: a text as OpenAI's servers give it, bytes as they are, a number as a status, and None a second late.
        model: the model's name in `setting`.
    """

    def __init__(self, *answers: str | bytes | int | None, model: str = "a-model:8b") -> None:
        self.answers, self.asked, outer = list(answers), [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if answer is None:
                    time.sleep(1)
                self.send_response(answer if isinstance(answer, int) else 200)
                if answer == 302:
                    self.send_header("Location", "http://127.0.0.1:9/")
                self.end_headers()
                if not isinstance(answer, int):
                    choices = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
                    self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(choices).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # whoever was answered late has gone
        self.setting = f"http://127.0.0.1:{self.server.server_port}/v1#{model}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()
