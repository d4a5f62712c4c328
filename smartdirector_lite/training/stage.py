"""What the trainings of the two stages share: options, the transformer, anchors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from diffusers import AutoencoderKLWan
from torch import nn

from ..timeline import ChunkPlan
from ..transformer import DirectorTransformer3DModel
from .loop import LoopConfig

NUM_TRAIN_TIMESTEPS = 1000
REFRESH_EVERY = 200  # steps after which new shards are looked for
LOWEST = {"shards": 0, "latent_frames": 1, "heads": 1, "layers": 1}


@dataclass
class StageConfig(LoopConfig):
    """As LoopConfig (without workers: batches come from memory), and:

    vae: the trained VAE's folder. bank: the folder of encoded clips, of which the first `shards` are made here if they
    are missing. film, film_share: as VAEConfig's, for those. init: a pipeline's folder to start from, whose sizes then
    count; "" for random weights. lr: Muon's rate; adam_lr: AdamW's. heads to text_dim: sizes of the transformer.
    latent_frames: in a batch. drop_anchor, clip_anchor: see `draw_anchors`. compile: the transformer's blocks with
    torch.compile: faster steps after minutes of compiling; it needs a C++ compiler.
    """

    vae: str = "runs/vae/export"
    bank: str = "runs/bank"
    shards: int = 8
    film: str = ""
    film_share: float = 0.2
    init: str = ""
    lr: float = 2e-3
    adam_lr: float = 1e-3
    heads: int = 4
    head_dim: int = 64
    layers: int = 8
    ffn_dim: int = 1024
    text_dim: int = 192
    latent_frames: int = 120
    drop_anchor: float = 0.15
    clip_anchor: float = 0.1
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, LOWEST)

    @property
    def shares(self) -> tuple[str, ...]:
        """The options that are shares or probabilities."""
        return "film_share", "drop_anchor", "clip_anchor"


def check_options(config: LoopConfig, lowest: dict[str, int]) -> None:
    """ValueError for workers, for an option below its lowest value, and for one of `config.shares` not in 0 to 1."""
    if config.workers:
        raise ValueError(f"workers = {config.workers}: batches come from memory here; leave it at 0")
    for name, low in lowest.items():
        if getattr(config, name) < low:
            raise ValueError(f"{name} = {getattr(config, name)}: give {low} or more")
    for name in config.shares:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{name} = {getattr(config, name)}: give 0 to 1")


def draw_anchors(rng: np.random.Generator, plan: ChunkPlan, config: StageConfig) -> list[bool]:
    """Per latent: is it an anchor in this step?

    Where a chunk would begin without its keyframe too (frame 0, a cut), the keyframe is left out in `drop_anchor` of
    the cases: the chunk has no anchor then. A keyframe that stays becomes a clip in `clip_anchor` of them: two or more
    of its chunk's latents are anchors.
    """
    anchors = list(plan.anchors)
    for chunk in plan.chunks:
        if chunk.condition is None:
            continue
        natural = chunk.start == 0 or chunk.start in plan.cuts
        if natural and rng.random() < config.drop_anchor:
            anchors[chunk.latent_start] = False
        elif chunk.num_latents > 1 and rng.random() < config.clip_anchor:
            count = int(rng.integers(2, chunk.num_latents + 1))
            anchors[chunk.latent_start : chunk.latent_start + count] = [True] * count
    return anchors


def check_init(folder: str, stage: str) -> None:
    """ValueError unless `init` is the folder of a pipeline."""
    if not (Path(folder) / "model_index.json").is_file():
        raise ValueError(f"init = {folder}: no pipeline there; give the export folder of `train {stage}`")


def build_transformer(config: StageConfig, vae: AutoencoderKLWan) -> DirectorTransformer3DModel:
    """A random one, of the sizes in `config`, for the VAE's latents; its output is zero."""
    transformer = DirectorTransformer3DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.head_dim,
        in_channels=vae.config.z_dim,
        out_channels=vae.config.z_dim,
        text_dim=config.text_dim,
        freq_dim=256,
        ffn_dim=config.ffn_dim,
        num_layers=config.layers,
    )
    zero_head(transformer)
    return transformer


def zero_head(transformer: DirectorTransformer3DModel) -> None:
    """Let the output be zero: where a training begins, or a trained trunk is to predict something else."""
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)


def compile_blocks(transformer: DirectorTransformer3DModel) -> None:
    """Compile each block where it is, for any number of tokens."""
    for block in transformer.blocks:
        block.compile(dynamic=True)
