"""Models of transformers, from a folder or the hub's cache on this machine. No pickle and no foreign code is read."""

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from ...loading.hub import FILES, HUB_ID, LoadError, hub_snapshot, loading
from .chat import Message

MAX_NEW_TOKENS = 2048  # of one answer, thoughts included


class LocalModel:
    """A chat model on this machine. A `LanguageModel`; one that sees takes messages with pictures, too."""

    def __init__(
        self, name: str, model: PreTrainedModel, processor: PreTrainedTokenizerBase | ProcessorMixin
    ) -> None:
        self.name, self.model, self.processor = name, model, processor

    @torch.inference_mode()
    def __call__(self, messages: list[Message]) -> str:
        if isinstance(self.processor, ProcessorMixin):  # a processor takes lists of parts alone
            messages = [message | {"content": _parts(message["content"])} for message in messages]
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
        inputs = self.processor.apply_chat_template(messages, **options).to(self.model.device)
        floats = {name: value.to(self.model.dtype) for name, value in inputs.items() if value.is_floating_point()}
        tokens = self.model.generate(**{**inputs, **floats}, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        return self.processor.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def _parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def load_text_model(model: str, download: bool = False) -> LocalModel:
    """Load a text model with a chat template. LoadError where there is none."""
    folder = find_files(model, download)
    return LocalModel(model, load_weights(AutoModelForCausalLM, model, folder), _load(AutoTokenizer, model, folder))


def load_vision_model(model: str, download: bool = False) -> LocalModel:
    """Load a model of pictures and text, such as Qwen/Qwen3-VL-8B-Instruct. LoadError where there is none."""
    folder = find_files(model, download)
    return LocalModel(
        model, load_weights(AutoModelForImageTextToText, model, folder), _load(AutoProcessor, model, folder)
    )


def find_files(model: str, download: bool = False) -> Path:
    """Return the folder of a model: a local one, or that of a hub id in the hub's cache.

    Raises:
        LoadError: there is no such model, or it is not in the cache and may not be fetched.
    """
    if Path(model).is_dir():
        return Path(model)
    if not HUB_ID.fullmatch(model):
        raise LoadError(f"model {model!r}: there is no such folder; give a folder or a hub id (owner/name)")
    return hub_snapshot(model, None, download, (*FILES, "*.jinja"))


def _load(kind: type, model: str, folder: Path) -> PreTrainedTokenizerBase | ProcessorMixin:
    """Load what turns messages into tokens, which must know how a conversation is written."""
    with loading(model):
        processor = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not processor.chat_template:
            raise ValueError("it has no chat template; give a model that was made to follow instructions")
    return processor


def load_weights(kind: type, model: str, folder: Path, gpus: str = "auto") -> PreTrainedModel:
    """Load weights, onto all GPUs where there are any. LoadError for some that are missing, rather than random ones.

    Args:
        gpus: "cuda" keeps a model that can't be spread on one GPU.
    """
    options = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True, "dtype": "auto"}
    options["device_map"] = gpus if torch.cuda.is_available() else None
    with loading(model):
        loaded, found = kind.from_pretrained(folder, output_loading_info=True, **options)
        if missing := sorted([*found["missing_keys"], *found["mismatched_keys"]]):
            raise ValueError(f"the weight {missing[0]} is missing or has another shape")
    return loaded.eval()
