"""The text encoder of a pipeline's folder: loaded for good, or only for the texts that are not yet on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ..gen.pipeline import DirectorGenPipeline
from ..gen.prompt import MAX_TOKENS
from ..media import atomic_path
from .hub import loading, read_object, variants_in


def load_text_encoder(folder: Path, dtype: torch.dtype, variant: str | None = None) -> UMT5EncoderModel | None:
    """Load the text encoder of a pipeline's folder onto the CPU.

    Args:
        variant: of the pipeline, see `find_variant`.

    Returns:
        The encoder, or None for a pipeline that is made without one.

    Raises:
        ValueError: for weights that are damaged, and for missing ones, which transformers would draw at random.
    """
    if not read_object(folder / "model_index.json").get("text_encoder", [None])[0]:
        return None
    path = folder / "text_encoder"
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder")
    options = {"local_files_only": True, "use_safetensors": True, "ignore_mismatched_sizes": True}
    options["variant"] = variant if variant in variants_in(path) else None
    try:
        model, found = UMT5EncoderModel.from_pretrained(path, dtype=dtype, output_loading_info=True, **options)
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged weights ({error})") from error
    for key in (*found["missing_keys"], *found["mismatched_keys"]):
        raise ValueError(f"{path}: the weight {key} is missing or has another shape")
    return model


class LazyTextEncoder:
    """Embeds texts with a text encoder that is in memory only while it works.

    Attributes:
        made_by: a name for what this encoder makes; another encoder has another name.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        dtype: torch.dtype,
        device: torch.device,
        variant: str | None = None,
    ):
        """Make it of the folder of a pipeline. On a GPU without room for the encoder it works on the CPU."""
        self.folder, self.tokenizer, self.dtype, self.device, self.variant = folder, tokenizer, dtype, device, variant
        self.length = min(MAX_TOKENS, tokenizer.model_max_length)
        files = sorted((folder / "text_encoder").glob("*"))
        known = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        known += [str(dtype), self.length, variant]
        self.made_by = hashlib.sha256(repr(known).encode()).hexdigest()

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> Tensor:
        """Return embeddings (B, L, D) in the encoder's dtype. ValueError where the encoder can't be loaded."""
        with loading(self.folder):
            encoder = load_text_encoder(self.folder, self.dtype, self.variant)
        if encoder is None:
            raise ValueError(f"{self.folder}: has no text encoder; give a model that has one, or no text_cache")
        device = self.device
        if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] < 1.1 * encoder.get_memory_footprint():
            device = torch.device("cpu")
        pipeline = DirectorGenPipeline(self.tokenizer, encoder.to(device), None, None)
        options = {"max_sequence_length": self.length, "device": device}
        embeds = [pipeline.encode_prompt(text, None, False, **options)[0] for text in texts]  # all at once may not fit
        return torch.cat(embeds).to(self.device)


class TextCache:
    """Keeps embeddings on disk, a safetensors file for each text."""

    def __init__(self, folder: str | Path, encode: Callable[[list[str]], Tensor], made_by: str):
        """Make it.

        Args:
            folder: where the files are; it is made when something is kept. ValueError for a file.
            encode: makes the embeddings (B, L, D) of texts.
            made_by: says which encoder's embeddings they are. Those of another encoder are not used.
        """
        self.folder, self.encode, self.made_by = Path(folder), encode, made_by
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"text_cache = {folder} is a file; give a folder")

    def path(self, text: str) -> Path:
        """Return where the embedding of a text is kept."""
        return self.folder / f"{hashlib.sha256(text.encode() + self.made_by.encode()).hexdigest()[:32]}.safetensors"

    def __call__(self, texts: list[str]) -> Tensor:
        """Return embeddings (B, L, D). Those that are not kept yet are made in one call."""
        found = {text: self._read(text) for text in texts}
        missing = [text for text, embedding in found.items() if embedding is None]
        if missing:
            for text, embedding in zip(missing, self.encode(missing), strict=True):
                found[text] = embedding
                self._write(text, embedding)
        device = found[missing[0]].device if missing else "cpu"
        return torch.stack([found[text].to(device) for text in texts])

    def _read(self, text: str) -> Tensor | None:
        """The embedding of a text; None where it is not there or damaged, and is to be made again."""
        try:
            with safe_open(self.path(text), "pt") as file:
                return file.get_tensor("embedding") if (file.metadata() or {}).get("text") == text else None
        except (OSError, SafetensorError):
            return None

    def _write(self, text: str, embedding: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path(text)) as temporary:
            save_file({"embedding": embedding.cpu().contiguous()}, temporary, metadata={"text": text})
