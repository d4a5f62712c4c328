"""Train the restorer of a Director-SR on clips that were upscaled without one: it learns what the VAE left out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

from ..director import Director
from ..gen import VideoCondition
from ..loading import BUNDLED, load_director
from ..sr import DirectorSRPipeline
from ..sr.frames import FACTOR, resize
from ..sr.restorer import FrameRestorer, large_flow, warp
from .film import Footage
from .loop import train_stage
from .options import Channels, Count, Endless, LoopConfig, Natural, Range, Rate, Share, Weight
from .pairs import FRAMES
from .processes import join_processes
from .shards import make_shards
from .stage import Stage, check_init, on_device, sample_pairs, save_strip
from .tiny import DRAFT, FINAL
from .upscaled import PARTS, UpscaledClip, build_upscaled, director_fingerprint, read_upscaled

FLOOR = 0.02  # a clip's error, in [-1, 1], counts relative to its mean; a smaller mean than this weighs no more
KNEE = 1e-3  # an error below this counts squared (Charbonnier)


@dataclass
class RestorerConfig(LoopConfig):
    """The options of `train restorer`."""

    out: str = "runs/restorer"  # the run's folder
    model: str = BUNDLED  # a director with a second stage: the bundled one, a folder or a hub id
    bank: str = "runs/upscaled"  # the folder of upscaled clips
    shards: Natural = 8  # how many shards of the bank, of 16 clips, are made first, where they are missing
    film: str = ""  # a dataset made by `curate`, for those shards; nothing for the toy world alone
    film_share: Share = 0.4  # share of their clips that come from the film
    collage_share: Share = 0.0  # share of the others that are collages
    init: str = ""  # the folder of a Director-SR whose restorer is trained on; nothing for random weights
    batch: Count = 8  # clips of a step
    frames: Annotated[int, Range(2, FRAMES[0])] = 9  # frames of a clip
    crop: Annotated[int, Range(8, min(DRAFT))] = 48  # side of a clip, in small pixels
    clip: Endless = 2.0  # largest norm that the gradient may have; through many frames it is now and then huge
    precision: str = "fp32"  # bf16 (autocast), fp32, or auto: bf16 where the device is fast at it
    lr: Rate = 3e-4  # AdamW's learning rate; Muon would give rare huge gradients the weight of usual ones
    channels: Channels = 32  # channels of a new restorer
    blocks: Count = 5  # blocks of a new restorer
    flow_channels: Channels = 24  # channels of the part of a new restorer that finds the motion
    steady_weight: Weight = 0.5  # weight of errors that come and go; a large one keeps errors rather than mends them
    motion_weight: Weight = 2.0  # weight of the error of the motion that was found


class TrainedRestorer(nn.Module):
    """The restorer with its training pass over clips as `forward`."""

    def __init__(self, restorer: FrameRestorer):
        super().__init__()
        self.restorer = restorer

    def forward(self, drawn: Tensor, small: Tensor, large: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Restore clips and tell what is wrong with them.

        Args:
            drawn, large: (B, T, 3, 2H, 2W) in [-1, 1], what was upscaled and what it should be.
            small: (B, T, 3, H, W) in [-1, 1].
            given: (B, T) bools; these frames are taken from `large`.

        Returns:
            The error of each restored frame, (B, T, 3, 2H, 2W). What of it is new since the frame before, with T - 1
            frames: an error that moves along with the picture is hardly seen, and one that comes and goes is. And the
            mean difference between a small frame and the one before, moved along.
        """
        drawn = torch.where(given[:, :, None, None, None], large, drawn)
        before, errors, news, differences = None, [], [], []
        frames = list(zip(*(part.unbind(dim=1) for part in (drawn, small, given)), strict=True))
        for restored, truth in zip(self.restorer.both_ways(frames), large.unbind(dim=1), strict=True):
            errors.append(restored.frame - truth)
            if before is not None:
                news.append(errors[-1] - warp(errors[-2], large_flow(restored.flow.detach())))
                differences.append((warp(before.small, restored.flow) - restored.small).abs().mean())
            before = restored
        return torch.stack(errors, dim=1), torch.stack(news, dim=1), torch.stack(differences).mean()


def restorer_loss(model: nn.Module, batch: dict[str, Tensor], config: RestorerConfig) -> dict[str, Tensor]:
    """Measure what is left of each clip's error, how unsteady it is, and how well the motion was found.

    The first two are relative to the error of the drawn clip, because that of a spoilt clip stays large whatever is
    done.

    Args:
        batch: PARTS, as `TrainedRestorer` takes them.
    """
    errors, news, motion = model(**batch)
    scale = 1 / ((batch["drawn"] - batch["large"]).abs().mean(dim=(1, 2, 3, 4)) + FLOOR)  # (B,)
    pixel = (errors.square() + KNEE**2).sqrt().mean(dim=(2, 3, 4))  # (B, T)
    free = (~batch["given"]).float()
    pixel = (pixel * free * scale[:, None]).sum() / free.sum().clamp(min=1)
    steady = (news.abs().mean(dim=(1, 2, 3, 4)) * scale).mean()
    loss = pixel + config.steady_weight * steady + config.motion_weight * motion
    return {"loss": loss, "pixel": pixel, "steady": steady, "motion": motion}


def start_restorer(config: RestorerConfig) -> FrameRestorer:
    """Make the restorer to train: that of the Director-SR in `config.init`, or a new one, which changes little."""
    if not config.init:
        return FrameRestorer(config.channels, config.blocks, config.flow_channels)
    check_init(config.init, "restorer")
    restorer = DirectorSRPipeline.from_pretrained(config.init, vae=None, transformer=None).restorer
    if restorer is None:
        raise ValueError(f"init = {config.init}: this Director-SR has no restorer; give the export of `train restorer`")
    return restorer.float()


class RestorerStage(Stage):
    """The training of the restorer."""

    def __init__(self, config: RestorerConfig, director: Director, clips: list[UpscaledClip]):
        torch.manual_seed(config.seed)
        self.config, self.director, self.clips = config, director, clips
        self.model = TrainedRestorer(start_restorer(config))
        self.optimizers = [torch.optim.AdamW(self.model.parameters(), config.lr, betas=(0.9, 0.99), weight_decay=0)]

    def batch(self, number: int, device: torch.device | str) -> dict[str, Tensor]:
        """Cut PARTS from anywhere in clips, as `TrainedRestorer` takes them."""
        rng = self.rng(number)
        cuts = [self._cut(rng, self.clips[k]) for k in rng.integers(len(self.clips), size=self.config.batch)]
        return on_device({name: torch.stack([cut[name] for cut in cuts]) for name in PARTS}, device)

    def _cut(self, rng: np.random.Generator, clip: UpscaledClip) -> dict[str, Tensor]:
        """Cut the same place and time out of every part of a clip."""
        side, (height, width) = self.config.crop, clip["small"].shape[-2:]
        room = len(clip["given"]) - self.config.frames, height - side, width - side
        first, *corner = (int(rng.integers(places + 1)) for places in room)
        during = slice(first, first + self.config.frames)
        cut = {"given": clip["given"][during]}
        for name, factor in (("drawn", FACTOR), ("small", 1), ("large", FACTOR)):
            rows, columns = (slice(factor * start, factor * (start + side)) for start in corner)
            cut[name] = clip[name][during, :, rows, columns].float() / 127.5 - 1
        return cut

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is wrong with restored clips."""
        return restorer_loss(model, batch, self.config)

    def pipeline(self, vae: AutoencoderKLWan | None) -> DirectorSRPipeline:
        """The same Director-SR with this restorer: what is sampled from, and exported without the VAE."""
        sr = self.director.sr
        parts = {**sr.components, "vae": vae, "restorer": self.model.restorer}
        pipeline = DirectorSRPipeline(**parts, upsample=sr.config.upsample)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def sample(self, folder: Path, step: int) -> None:
        """Draw held-out scenes in four rows: enlarged, upscaled with a keyframe, the same restored, and the truth."""
        pipeline, columns = self.pipeline(self.director.sr.vae), []
        for small, large in sample_pairs(13):
            keyframe = VideoCondition(image=large[:, 0], frame_index=0)
            options = {"num_inference_steps": self.director.defaults.sr_steps, "output_type": "pt"}
            videos = [pipeline(small, [keyframe], restore=restore, **options).frames[0] for restore in (False, True)]
            rows = [resize(small[None], FINAL)[0], *[video.cpu().transpose(0, 1) * 2 - 1 for video in videos], large]
            columns.append(torch.cat([row[:, 3::4] for row in rows], dim=-2))
        save_strip(torch.cat(columns, dim=1), folder / f"{step:06d}.png")

    def export(self, folder: Path) -> None:
        """Write the Director-SR's folder."""
        self.pipeline(None).save_pretrained(folder)


def train_restorer(config: RestorerConfig) -> None:
    """Upscale the clips that are missing, train or resume, and export a Director-SR's folder to `<out>/export`.

    Raises:
        ValueError: bad options; a model, a film or a bank that is not there or does not fit.
    """
    join_processes()
    config.check_out(config.init, config.model, config.film, config.bank)
    director = load_director(config.model)
    if director.sr is None:
        raise ValueError(f"model = {config.model}: it has no second stage (director-sr); train one (`train sr`)")
    director.sr.set_progress_bar_config(disable=True)
    footage = Footage.open(config.film, config.film_share, config.collage_share)

    def make(index: int) -> None:
        build_upscaled(director, config.bank, index, footage=footage, seed=config.seed)

    make_shards(config.bank, config.shards, make)
    train_stage(RestorerStage(config, director, read_upscaled(config.bank, director_fingerprint(director))))
