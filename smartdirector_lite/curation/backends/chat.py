"""Asking a model of language: an endpoint on the network or a model on this machine, and what it must answer.

A conversation is a list of messages {"role": ..., "content": ...}, as everywhere in this field. Every answer is JSON of
a schema. An answer that is not is refused, and the model is told why and asked again, a few times.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from PIL.Image import Image
from pydantic import BaseModel, ValidationError

KEY = "SMARTDIRECTOR_LLM_KEY"  # the environment variable that holds an endpoint's key
TIMEOUT = 300  # seconds without a byte, after which an endpoint counts as gone
MAX_ANSWER = 1_000_000  # bytes
BUSY = (408, 425, 429, 500, 502, 503, 504)  # what a server says that may answer later
WAITS = (1, 4, 16)  # seconds before an endpoint is asked again
QUOTED = 2000  # characters of a refused answer that the model is reminded of

Message = dict[str, object]
Schema = TypeVar("Schema", bound=BaseModel)


class BackendError(ValueError):
    """A model can't be asked. The message is one line that says which one, why, and what to do."""


class LanguageModel(Protocol):
    """Whoever continues a conversation."""

    name: str  # noted with what it wrote

    def __call__(self, messages: list[Message]) -> str:
        """Return the next message. BackendError where there can be none."""


def is_endpoint(setting: str) -> bool:
    """Whether a setting names an endpoint, rather than a model on this machine."""
    return "://" in setting


def open_language_model(setting: str, download: bool = False) -> LanguageModel:
    """Make the language model that one setting names.

    Args:
        setting: the address of any endpoint that speaks OpenAI's protocol and behind # the model's name there, such as
            "http://localhost:11434/v1#qwen3:8b"; or the folder or hub id of a transformers text model.
        download: whether files of a hub id that are not in the cache may be fetched.
    """
    if is_endpoint(setting):
        return Endpoint(setting)
    from .local import load_text_model  # transformers' models take seconds to import

    return load_text_model(setting, download)


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
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps({"model": self.name, "messages": messages}).encode()
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


def _text_of(body: bytes) -> str:
    """The text of an endpoint's answer."""
    if len(body) > MAX_ANSWER:
        raise ValueError(f"more than {MAX_ANSWER} bytes")
    return json.loads(body)["choices"][0]["message"]["content"] or ""  # null where a model only thought or refused


def _one_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:300]


def ask(
    model: LanguageModel,
    messages: list[Message],
    schema: type[Schema],
    check: Callable[[Schema], None] = lambda answer: None,
    tries: int = 3,
) -> tuple[Schema | None, str]:
    """Ask until an answer fits.

    Args:
        schema: of the answer's JSON.
        check: raises a ValueError for an answer that fits the schema, and yet not the question.
        tries: how often the model is asked.

    Returns:
        The answer, or None where none did fit, and what was wrong with the last one that did not.
    """
    messages, wrong = list(messages), ""
    for _ in range(tries):
        text = model(messages)
        try:
            answer = parse_answer(text, schema)
            check(answer)
            return answer, wrong
        except ValueError as error:
            wrong = str(error)
        messages += [
            say("assistant", text[:QUOTED]),
            say("user", f"That was refused: {wrong}. Answer with the corrected JSON alone."),
        ]
    return None, wrong


def say(role: str, text: str, pictures: Sequence[Image] = ()) -> Message:
    """Make a message of a text, and of pictures before it."""
    if not pictures:
        return {"role": role, "content": text}
    shown: list[dict] = [{"type": "image", "image": picture} for picture in pictures]
    return {"role": role, "content": [*shown, {"type": "text", "text": text}]}


def parse_answer(text: str, schema: type[Schema]) -> Schema:
    """Read the JSON object in an answer. Thoughts before it, and words around it, are left out.

    Raises:
        ValueError: there is none, or one of another schema; in one line that a model understands.
    """
    text = text.rpartition("</think>")[2]
    start, stop = text.find("{"), text.rfind("}") + 1
    if not 0 <= start < stop:
        raise ValueError("the answer holds no JSON object {...}")
    try:
        return schema.model_validate_json(text[start:stop])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:3]
        places = (".".join(map(str, one["loc"])) for one in found)
        told = (f"{place}: {one['msg']}" if place else one["msg"] for place, one in zip(places, found, strict=True))
        raise ValueError("; ".join(told)) from error
