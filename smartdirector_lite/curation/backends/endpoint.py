"""Language models behind an address: any server that speaks OpenAI's protocol."""

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from .chat import BackendError, Message

KEY = "SMARTDIRECTOR_LLM_KEY"  # the environment variable that holds an endpoint's key
TIMEOUT = 300  # seconds without a byte, after which an endpoint counts as gone
MAX_ANSWER = 1_000_000  # bytes
BUSY = (408, 425, 429, 500, 502, 503, 504)  # what a server says that may answer later
WAITS = (1, 4, 16)  # seconds before an endpoint is asked again


def is_endpoint(setting: str) -> bool:
    """Whether a setting names an endpoint, rather than a model on this machine."""
    return "://" in setting


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, since it would send the key along to whatever host it names."""

    def redirect_request(self, *args: object) -> None:
        return None


class Endpoint:
    """A server that speaks OpenAI's chat completions: OpenAI's own, vLLM, llama.cpp, Ollama, and others.

    Args:
        setting: its address and behind # the model's name, such as "https://api.openai.com/v1#gpt-5-mini".

    Raises:
        BackendError: it is no such address.
    """

    def __init__(self, setting: str) -> None:
        try:
            parts = urllib.parse.urlsplit(setting)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not parts.fragment:
            raise BackendError(f"endpoint {setting!r}: give an address and a model, such as https://host/v1#model")
        if parts.username or parts.password:
            raise BackendError(f"endpoint {parts.hostname}: put the key in the environment variable {KEY} instead")
        path = parts.path.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self.url, self.name = parts._replace(path=path, fragment="").geturl(), parts.fragment
        self._open = urllib.request.build_opener(_NoRedirect).open

    def __call__(self, messages: list[Message]) -> str:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY, "").strip():
            if not (key.isascii() and key.isprintable()):  # http.client would print it
                raise BackendError(f"endpoint {self.url}: {KEY} holds a character that no key has; set it again")
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps({"model": self.name, "messages": [*map(_written, messages)]}).encode()
        request = urllib.request.Request(self.url, body, headers)
        for wait in (*WAITS, None):
            try:
                with self._open(request, timeout=TIMEOUT) as response:
                    return _text_of(response.read(MAX_ANSWER + 1))
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}: {_one_line(error.read(MAX_ANSWER))}"
                if error.code not in BUSY:
                    remedy = f"; is the key in {KEY} right?" if error.code in (401, 403) else ""
                    raise BackendError(f"endpoint {self.url}, model {self.name!r}: {reason}{remedy}") from error
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            except (ValueError, LookupError, TypeError) as error:
                raise BackendError(f"endpoint {self.url}: no answer of OpenAI's form ({error!r})") from error
            if wait is not None:
                time.sleep(wait)
        raise BackendError(f"endpoint {self.url}: {reason}; start it or wait, and call the same command again")


def _written(message: Message) -> Message:
    """A message with its pictures in the form of OpenAI's protocol: as addresses that hold a PNG."""
    content = message["content"]
    return message if isinstance(content, str) else message | {"content": [_written_part(part) for part in content]}


def _written_part(part: dict) -> dict:
    if part["type"] != "image":
        return part
    file = io.BytesIO()
    part["image"].save(file, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}


def _text_of(body: bytes) -> str:
    """The text of an endpoint's answer."""
    if len(body) > MAX_ANSWER:
        raise ValueError(f"more than {MAX_ANSWER} bytes")
    return json.loads(body)["choices"][0]["message"]["content"] or ""  # null where a model only thought or refused


def _one_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:300]
