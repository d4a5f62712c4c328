"""The text encoder of a pipeline's folder: loaded with its weights checked, or only for the texts that need it."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..gen.pipeline import DirectorGenPipeline
from .text_cache import TextCache


def load_text_encoder(folder: Path, dtype: torch.dtype) -> UMT5EncoderModel | None:
    """The text encoder of a pipeline's folder, on the CPU; None for a pipeline that is made without one.

    transformers would draw weights that are missing at random: that is a ValueError here. So are damaged ones.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    if not index.get("text_encoder", [None])[0]:
        return None
    path = folder / "text_encoder"
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder")
    options = {"local_files_only": True, "use_safetensors": True, "ignore_mismatched_sizes": True}
    try:
        model, found = UMT5EncoderModel.from_pretrained(path, dtype=dtype, output_loading_info=True, **options)
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged weights ({error})") from error
    for key in (*found["missing_keys"], *found["mismatched_keys"]):
        raise ValueError(f"{path}: the weight {key} is missing or has another shape")
    return model


class LazyTextEncoder:
    """Embeds texts through a `TextCache`; the encoder is in memory only while it makes what is not there yet.

    folder: of the pipeline. cache: the folder of embeddings. On a GPU without room for it the encoder works on the CPU.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        dtype: torch.dtype,
        device: torch.device,
        cache: str | Path,
    ):
        self.folder, self.tokenizer, self.dtype, self.device = folder, tokenizer, dtype, device
        self.length = min(512, tokenizer.model_max_length)
        files = sorted((folder / "text_encoder").glob("*"))
        known = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files], str(dtype), self.length
        self.cache = TextCache(cache, hashlib.sha256(repr(known).encode()).hexdigest())

    def __call__(self, texts: list[str]) -> Tensor:
        """(B, L, D) embeddings, in the encoder's dtype. ValueError where the encoder is needed and can't be loaded."""
        return self.cache.get(texts, self._encode)

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Tensor:
        try:
            encoder = load_text_encoder(self.folder, self.dtype)
        except (OSError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"{self.folder}: no text encoder to load ({' '.join(str(error).split())})") from error
        if encoder is None:
            raise ValueError(f"{self.folder}: has no text encoder; give a model that has one, or no text_cache")
        device = self.device
        if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] < 1.1 * encoder.get_memory_footprint():
            device = torch.device("cpu")
        pipeline = DirectorGenPipeline(self.tokenizer, encoder.to(device), None, None)
        embeds = pipeline.encode_prompt(texts, None, False, max_sequence_length=self.length, device=device)[0]
        return embeds.to(self.device)
