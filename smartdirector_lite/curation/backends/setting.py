"""One setting names a model: an endpoint's address, or the folder or hub id of a transformers model."""

from .chat import LanguageModel
from .endpoint import Endpoint, is_endpoint


def open_model(setting: str, sees: bool = False, download: bool = False) -> LanguageModel:
    """Make the model that a setting names.

    Args:
        setting: the address of any endpoint that speaks OpenAI's protocol and behind # the model's name there, such as
            "http://localhost:11434/v1#qwen3:8b"; or the folder or hub id of a transformers model.
        sees: whether the model is shown pictures; a transformers model is then of the kind image-text-to-text.
        download: whether files of a hub id that are not in the cache may be fetched.

    Raises:
        ValueError: there is no such model, or it can't be loaded.
    """
    if is_endpoint(setting):
        return Endpoint(setting)
    from .local import load_text_model, load_vision_model  # transformers' models take seconds to import

    return (load_vision_model if sees else load_text_model)(setting, download)
