"""What several commands share: the options that say which model is loaded."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..timeline import TAU_SCHEMES

if TYPE_CHECKING:
    import torch

    from ..director import Director

Positional = tyro.conf.Positional
Rope = Literal[TAU_SCHEMES]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


@dataclass(frozen=True)
class ModelOptions:
    """Which model is loaded, and where it is while it works."""

    # smartdirector-tiny, a local folder in the diffusers layout, or a hub id that is in the hub's cache
    model: str = "smartdirector-tiny"
    # how much is on the GPU at once: everything (full), one model, a group of blocks, or one layer (sequential);
    # auto takes the fastest mode that fits
    memory: Literal["auto", "full", "model", "group", "sequential"] = "auto"
    revision: str | None = None  # a branch, tag or commit of a hub id
    variant: str | None = None  # which saved form of the weights is read, such as fp16 (None: the plain or only one)
    download: bool = False  # fetch the files of a hub id that the hub's cache lacks
    # a folder to keep text embeddings in; the text encoder is then loaded only for texts that are not there yet
    text_cache: Path | None = None
    # the transformer's weights in 8 bits (int8, with torchao) or in 4 bits (nf4, with bitsandbytes and a CUDA GPU)
    quantize: Literal["int8", "nf4"] | None = None

    def load(self, device: "torch.device | None" = None) -> "Director":
        """Load the director, without the bars that the libraries show for every file."""
        import diffusers
        import transformers

        from ..loading import load_director

        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()
        return load_director(device=device, **asdict(self))


Model = Annotated[ModelOptions, tyro.conf.OmitArgPrefixes]
TINY = ModelOptions()  # what every command loads by default
