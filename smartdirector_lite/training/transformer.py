"""What the trainings of Director-Gen and Director-SR share: the transformer, its options, and the draw of anchors."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional as F

from ..gen import DirectorTransformer3DModel
from ..timeline import ChunkPlan
from .optim import make_optimizers
from .options import Channels, Count, LoopConfig, Natural, Range, Rate, Share

NUM_TRAIN_TIMESTEPS = 1000  # the transformer's unit of time: t = 1 is timestep 1000, as in diffusers' schedulers
PATCH = 2  # side of a token of Wan, in latent cells


@dataclass
class TransformerConfig(LoopConfig):
    """The options that `train gen` and `train sr` share."""

    vae: str = "runs/vae/export"  # the trained VAE's folder
    bank: str = "runs/bank"  # the folder of encoded clips
    shards: Natural = 8  # how many shards of the bank are made first, where they are missing
    film: str = ""  # a dataset made by `curate`, for those shards; nothing for the toy world alone
    film_share: Share = 0.2  # share of their clips that come from the film
    collage_share: Share = 0.0  # share of the others that are collages
    init: str = ""  # a pipeline's folder to start from, whose sizes then count; nothing for random weights
    lr: Rate = 2e-3  # Muon's learning rate
    adam_lr: Rate = 1e-3  # AdamW's learning rate
    heads: Channels = 4  # attention heads
    head_dim: Annotated[int, Range(2, 65_536, step=2)] = 64  # channels of a head
    layers: Count = 8  # blocks
    ffn_dim: Channels = 1024  # channels within a feed-forward layer
    text_dim: Channels = 192  # channels of a text's embedding
    patch: Count | None = None  # side of a token, in latent cells; None for 2, as Wan's, or for that of init
    latent_frames: Count = 120  # latent frames of a batch, in all its clips together
    drop_anchor: Share = 0.15  # how often a keyframe at a chunk's natural beginning is left out
    clip_anchor: Share = 0.1  # how often a keyframe that stays becomes a clip
    compile: bool = False  # compile the blocks: steps are faster after minutes of compiling; needs a C++ compiler


def run_transformer(
    transformer: DirectorTransformer3DModel, latents: Tensor, t: Tensor, text: Tensor, tau: Tensor
) -> Tensor:
    """Run the transformer on a batch.

    Args:
        latents: x_t, (B, C, F, h, w).
        t: (B, F) in [0, 1].
        text: embeddings (B, L, D), zero for padding.
        tau: (B, F).

    Returns:
        (B, C, F, h, w).
    """
    return transformer(latents, t * NUM_TRAIN_TIMESTEPS, text, return_dict=False, tau=tau)[0]


class TrainedTransformer(nn.Module):
    """A transformer that is trained alone. Subclasses define its training pass as `forward`."""

    # accelerate reads this name from the model: FSDP gathers the weights of one such module at a time.
    _no_split_modules = DirectorTransformer3DModel._no_split_modules

    def __init__(self, transformer: DirectorTransformer3DModel):
        super().__init__()
        self.transformer = transformer


def draw_anchors(rng: np.random.Generator, plan: ChunkPlan, config: LoopConfig) -> list[bool]:
    """Draw which latent frames are anchors in this step.

    Where a chunk would begin without its keyframe too (at frame 0 and at cuts), the keyframe is left out with
    probability `drop_anchor`, and the chunk has no anchor then. A keyframe that stays becomes a clip with probability
    `clip_anchor`: two or more of its chunk's latents are anchors then.

    Args:
        config: has these two options.

    Returns:
        For each latent frame of the plan whether it is an anchor.
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


def build_transformer(config: TransformerConfig, vae: AutoencoderKLWan) -> DirectorTransformer3DModel:
    """Make a random transformer of the sizes in `config`, for the VAE's latents. Its output is zero."""
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
    """Let the output be zero, where a training begins or a trained trunk is to predict something else."""
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)


def repatch(transformer: DirectorTransformer3DModel, patch: int | None) -> DirectorTransformer3DModel:
    """Give a transformer tokens of `patch` x `patch` latent cells. It stays itself if they are that large, or for None.

    The first and the last layer are averaged (or repeated) over the cells of a token, so that what was even over a
    token stays as it was. Positions are counted in tokens, so the trunk has to learn distances anew.
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
        cells = F.interpolate(rows, (patch, patch), mode="area").permute(2, 3, 1, 0)
        state[name] = cells.reshape(new.state_dict()[name].shape)
    new.load_state_dict(state)
    return new


def transformer_optimizers(
    config: TransformerConfig, model: nn.Module, *embeddings: nn.Parameter
) -> list[torch.optim.Optimizer]:
    """Make the optimizers of a model with a `transformer`, whose blocks are compiled where that is asked for.

    Args:
        embeddings: further weights that AdamW is to train, as it does the transformer's first and last layers.
    """
    core = model.transformer
    if config.compile:
        compile_blocks(core)
    outer = [core.patch_embedding.weight, core.proj_out.weight, *embeddings, *core.condition_embedder.parameters()]
    return make_optimizers(model, config.lr, config.adam_lr, outer)


def compile_blocks(transformer: DirectorTransformer3DModel) -> None:
    """Compile each block where it is, for any number of tokens."""
    torch._dynamo.config.optimize_ddp = False  # DDP would split blocks, and some would fail; no public name sets this
    for block in transformer.blocks:
        block.compile(dynamic=True)
