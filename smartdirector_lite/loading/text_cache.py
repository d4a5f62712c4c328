"""Text embeddings on disk: a prompt is encoded once, and the text encoder (11 GB for Wan) is there only meanwhile."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..media import atomic_path


class TextCache:
    """Embeddings by text, one safetensors file each.

    folder: made when something is kept. made_by: says which encoder's they are; those of another one are not used.
    """

    def __init__(self, folder: str | Path, made_by: str):
        self.folder, self.made_by = Path(folder), made_by
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"text_cache = {folder} is a file; give a folder")

    def path(self, text: str) -> Path:
        return self.folder / f"{hashlib.sha256(text.encode() + self.made_by.encode()).hexdigest()[:32]}.safetensors"

    def get(self, texts: list[str], encode: Callable[[list[str]], Tensor]) -> Tensor:
        """(B, L, D) embeddings; `encode` makes those of the texts that are not there yet, in one call."""
        found = {text: self._read(text) for text in texts}
        missing = [text for text, embedding in found.items() if embedding is None]
        if missing:
            for text, embedding in zip(missing, encode(missing), strict=True):
                found[text] = embedding
                self._write(text, embedding)
        device = found[missing[0]].device if missing else "cpu"
        return torch.stack([found[text].to(device) for text in texts])

    def _read(self, text: str) -> Tensor | None:
        """None for one that is not there, or damaged: it is made again."""
        try:
            with safe_open(self.path(text), "pt") as file:
                return file.get_tensor("embedding") if (file.metadata() or {}).get("text") == text else None
        except (OSError, SafetensorError):
            return None

    def _write(self, text: str, embedding: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path(text)) as temporary:
            save_file({"embedding": embedding.cpu().contiguous()}, temporary, metadata={"text": text})
