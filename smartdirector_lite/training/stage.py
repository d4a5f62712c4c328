"""What the trainings of the two stages share: options, the transformer, anchors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional as F

from ..gen.transformer import DirectorTransformer3DModel
from ..timeline import ChunkPlan
from .bank import shard_path
from .loop import LoopConfig

NUM_TRAIN_TIMESTEPS = 1000
LOWEST = {"shards": 0, "latent_frames": 1, "heads": 1, "layers": 1}
PATCH = 2  # Wan's


@dataclass
class StageConfig(LoopConfig):
    """As LoopConfig (without workers: batches come from memory), and:

    vae: the trained VAE's folder. bank: the folder of encoded clips, of which the first `shards` are made here if they
    are missing. film, film_share: as VAEConfig's, for those. init: a pipeline's folder to start from, whose sizes then
    count; "" for random weights. lr: Muon's rate; adam_lr: AdamW's. heads to text_dim: sizes of the transformer. patch:
    the side of a token, in latent cells; None for 2, as Wan's, or for that of `init`, which is adapted to another one.
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
    patch: int | None = None
    latent_frames: int = 120
    drop_anchor: float = 0.15
    clip_anchor: float = 0.1
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, LOWEST if self.patch is None else {**LOWEST, "patch": 1})

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


def on_device(batch: dict[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    """A batch where it is needed, sent to a GPU while that still works on the step before.

    `tau` stays: the transformer's tables of cosines are computed on the CPU, and asking a GPU for it back would wait.
    """
    if torch.device(device).type == "cuda":
        batch = {name: value.pin_memory() for name, value in batch.items()}
    return {name: value if name == "tau" else value.to(device, non_blocking=True) for name, value in batch.items()}


def make_shards(config: StageConfig, make: Callable[[int], object]) -> None:
    """Make the shards that are missing, each process its share; all are there when this returns."""
    state = PartialState()
    for index in range(state.process_index, config.shards, state.num_processes):
        if not shard_path(config.bank, index).exists():
            make(index)
    state.wait_for_everyone()


def check_init(folder: str, stage: str) -> None:
    """ValueError unless `init` is the folder of a pipeline."""
    if not (Path(folder) / "model_index.json").is_file():
        raise ValueError(f"init = {folder}: no pipeline there; give the export folder of `train {stage}`")


def build_transformer(config: StageConfig, vae: AutoencoderKLWan) -> DirectorTransformer3DModel:
    """A random one, of the sizes in `config`, for the VAE's latents; its output is zero."""
    patch = config.patch or PATCH
    transformer = DirectorTransformer3DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.head_dim,
        in_channels=vae.config.z_dim,
        out_channels=vae.config.z_dim,
        text_dim=config.text_dim,
        freq_dim=256,
        ffn_dim=config.ffn_dim,
        num_layers=config.layers,
        patch_size=(1, patch, patch),
    )
    zero_head(transformer)
    return transformer


def zero_head(transformer: DirectorTransformer3DModel) -> None:
    """Let the output be zero: where a training begins, or a trained trunk is to predict something else."""
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)


def repatch(transformer: DirectorTransformer3DModel, patch: int | None) -> DirectorTransformer3DModel:
    """The same trunk over tokens of `patch` x `patch` latent cells; itself if they are that large, or for None.

    Both ends are averaged (or repeated) over the cells of a token, so that what was even over a token stays as it was.
    Positions are counted in tokens, so the trunk has to learn distances anew.
    """
    old = tuple(transformer.config.patch_size[1:])
    if patch is None or old == (patch, patch):
        return transformer
    new = DirectorTransformer3DModel.from_config({**transformer.config, "patch_size": (1, patch, patch)})
    state = transformer.state_dict()
    kernel = state["patch_embedding.weight"]  # (D, C, 1, p, p)
    scale = old[0] * old[1] / patch**2
    state["patch_embedding.weight"] = F.interpolate(kernel[:, :, 0], (patch, patch), mode="area")[:, :, None] * scale
    for name in ("proj_out.weight", "proj_out.bias"):  # rows are (p, p, C)
        rows = state[name].reshape(*old, transformer.config.out_channels, -1).permute(3, 2, 0, 1)
        state[name] = (
            F.interpolate(rows, (patch, patch), mode="area").permute(2, 3, 1, 0).reshape(new.state_dict()[name].shape)
        )
    new.load_state_dict(state)
    return new


def compile_blocks(transformer: DirectorTransformer3DModel) -> None:
    """Compile each block where it is, for any number of tokens."""
    torch._dynamo.config.optimize_ddp = False  # it splits a block, and fails on some lengths
    for block in transformer.blocks:
        block.compile(dynamic=True)
