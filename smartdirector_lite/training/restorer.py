"""Train the restorer of a Director-SR: small clips are upscaled without one, and the network learns what was missed.

Upscaling a clip costs more than many training steps on it, so clips are upscaled once, whole, and kept as bytes; a
batch is cut from them, in space and time. Toy scenes and film, clean, degraded as the world does it (`degrade`), and
passed through the VAE as a draft is.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..director import Director
from ..gen.conditions import VideoCondition
from ..loading.hub import BUNDLED
from ..loading.loader import load_director
from ..media import atomic_path
from ..sr.pipeline import DirectorSRPipeline
from ..sr.restorer import FrameRestorer, large_flow, warp
from ..sr.sizes import FACTOR, resize
from ..toyworld import HELD_OUT_SEED, render, sample_scene
from .bank import shard_path
from .degrade import degrade
from .film import FilmShots
from .loop import LoopConfig, train
from .pairs import FRAMES, draw_pair, through_vae
from .precision import fast_dtype
from .processes import join_processes
from .stage import check_init, make_shards, on_device
from .vae import DRAFT, FINAL, save_strip

CLIPS = 16  # of a shard
CLEAN = 0.5  # of the clips have true small frames
DRAFTED = 0.12  # went through the VAE, as a draft; the others are degraded
NO_KEYFRAME = 0.35
PARTS = ("drawn", "small", "large", "given")
FLOOR = 0.02  # of a clip's error, in [-1, 1]: a smaller one weighs no more
KNEE = 1e-3  # below which an error counts squared (Charbonnier)


@dataclass
class RestorerConfig(LoopConfig):
    """As LoopConfig (without workers: batches come from memory), and:

    model: a director with a second stage, as `load_director` takes it. bank: the folder of upscaled clips, of which the
    first `shards`, of 16 clips, are made here if they are missing. film, film_share: as VAEConfig's, for those. init:
    the folder of a Director-SR whose restorer is trained on; "" for random weights. batch: clips. frames: of a clip.
    crop: its side, in small pixels. lr: AdamW's rate. Gradients that went through many frames, there and back, now and
    then have a hundred times their usual norm, 2 or 3: `clip` holds them down, and Muon would give what they say
    everywhere the weight of an ordinary step, so that the loss rises (tried). channels, blocks, flow_channels: of a new
    restorer. steady_weight, motion_weight: of the second and third loss, see `restorer_loss`; were the second to count
    much more, errors would be carried on rather than mended.
    """

    out: str = "runs/restorer"
    model: str = BUNDLED
    bank: str = "runs/upscaled"
    shards: int = 8
    film: str = ""
    film_share: float = 0.4
    init: str = ""
    batch: int = 8
    frames: int = 9
    crop: int = 48
    clip: float = 2.0
    precision: str = "fp32"
    lr: float = 3e-4
    channels: int = 32
    blocks: int = 5
    flow_channels: int = 24
    steady_weight: float = 0.5
    motion_weight: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch", "channels", "blocks", "flow_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: give 1 or more")
        if self.shards < 0:
            raise ValueError(f"shards = {self.shards}: give 0 or more")
        if not 2 <= self.frames <= FRAMES[0]:
            raise ValueError(f"frames = {self.frames}: give 2 to {FRAMES[0]}")
        if not 8 <= self.crop <= min(DRAFT):
            raise ValueError(f"crop = {self.crop}: give 8 to {min(DRAFT)}")
        if not 0 <= self.film_share <= 1:
            raise ValueError(f"film_share = {self.film_share}: give 0 to 1")


class TrainedRestorer(nn.Module):
    """The restorer, over clips."""

    def __init__(self, restorer: FrameRestorer):
        super().__init__()
        self.restorer = restorer

    def forward(self, drawn: Tensor, small: Tensor, large: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """drawn, large: (B, T, 3, 2H, 2W); small: (B, T, 3, H, W); given: (B, T), whose frames are taken from `large`.

        What is wrong with each restored frame, like `large`; what of that is new, with T - 1 frames: an error that moves
        along with the picture is hardly seen, one that comes and goes is; and the mean difference between a small frame
        and the one before, moved along.
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
    """What is left of each clip's error, how unsteady it is, and how well the motion was found. batch: PARTS.

    The first two are relative to the error of the drawn clip: a spoilt one's is large whatever is done.
    """
    errors, news, motion = model(**batch)
    scale = 1 / ((batch["drawn"] - batch["large"]).abs().mean(dim=(1, 2, 3, 4)) + FLOOR)  # (B,)
    pixel = (errors.square() + KNEE**2).sqrt().mean(dim=(2, 3, 4))  # (B, T)
    free = (~batch["given"]).float()
    pixel = (pixel * free * scale[:, None]).sum() / free.sum().clamp(min=1)
    steady = (news.abs().mean(dim=(1, 2, 3, 4)) * scale).mean()
    loss = pixel + config.steady_weight * steady + config.motion_weight * motion
    return {"loss": loss, "pixel": pixel, "steady": steady, "motion": motion}


@torch.no_grad()
def build_clips(
    director: Director,
    folder: str | Path,
    index: int,
    clips: int = CLIPS,
    film: FilmShots | None = None,
    film_share: float = 0.4,
    seed: int = 0,
) -> Path:
    """Draw, spoil, upscale and save one shard; the same index and seed give the same clips. Returns its path."""
    rng, device, made = np.random.default_rng((seed, index, 3)), director.sr.vae.device, {}
    for k in range(clips):
        small, large, entry = draw_pair(rng, film, film_share, device)
        with torch.autocast(device.type, fast_dtype(device), enabled=fast_dtype(device) != torch.float32):
            drafted = through_vae(director.gen.vae, small) if rng.random() < DRAFTED else None
        small = degrade(rng, small, CLEAN) if drafted is None else drafted
        small = as_bytes(small).to(device) / 255  # what a file or a draft holds
        keyframes = () if rng.random() < NO_KEYFRAME else entry.keyframes
        conditions = [VideoCondition(image=large[frame] * 2 - 1, frame_index=frame) for frame in keyframes]
        options = {"num_inference_steps": director.sr_steps, "cuts": entry.cuts, "restore": False, "output_type": "pt"}
        with torch.autocast(device.type, fast_dtype(device), enabled=fast_dtype(device) != torch.float32):
            drawn = director.sr(small.transpose(0, 1) * 2 - 1, conditions, **options).frames[0]
        given = torch.zeros(len(small), dtype=torch.bool)
        given[list(keyframes)] = True
        made |= {f"{k}.{name}": as_bytes(x) for name, x in zip(PARTS[:3], (drawn, small, large), strict=True)}
        made[f"{k}.given"] = given
    path = shard_path(folder, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(made, temporary, metadata={"model": fingerprint(director)})
    return path


def fingerprint(director: Director) -> str:
    """The same for two directors whose second stages make the same of a clip: a hash of their weights and steps."""
    digest = hashlib.sha256(str(director.sr_steps).encode())
    for module in (director.sr.vae, director.sr.transformer):
        for tensor in module.state_dict().values():
            digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def as_bytes(video: Tensor) -> Tensor:
    """[0, 1] -> uint8, on the CPU."""
    return (video.float() * 255).round().clamp(0, 255).to("cpu", torch.uint8).contiguous()


def read_clips(folder: str | Path, made_by: str) -> list[dict[str, Tensor]]:
    """All the shards' clips, PARTS of each.

    made_by: the `fingerprint` of the director that must have upscaled them. ValueError for a shard of another one, for
    a damaged one, and for a folder that holds none.
    """
    clips = []
    for path in sorted(Path(folder).glob("shard-*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                model, count = (file.metadata() or {})["model"], len(file.keys()) // len(PARTS)
                held = [{name: file.get_tensor(f"{k}.{name}") for name in PARTS} for k in range(count)]
        except (SafetensorError, OSError, KeyError) as error:
            raise ValueError(f"{path}: damaged, or no shard of upscaled clips ({error}); delete it") from error
        if model != made_by:
            raise ValueError(f"{path}: upscaled by another model; choose another bank folder, or delete it")
        clips += held
    if not clips:
        raise ValueError(f"bank = {folder}: no clips there; give shards = 1 or more")
    return clips


def draw_batch(
    config: RestorerConfig, clips: list[dict[str, Tensor]], step: int, device: torch.device | str
) -> dict[str, Tensor]:
    """One step's batch, always the same: PARTS, as `TrainedRestorer` takes them, cut from clips anywhere."""
    rng = np.random.default_rng((config.seed, step))
    cuts = [_cut(rng, clips[k], config) for k in rng.integers(len(clips), size=config.batch)]
    return on_device({name: torch.stack([cut[name] for cut in cuts]) for name in PARTS}, device)


def _cut(rng: np.random.Generator, clip: dict[str, Tensor], config: RestorerConfig) -> dict[str, Tensor]:
    height, width = clip["small"].shape[-2:]
    room = len(clip["given"]) - config.frames, height - config.crop, width - config.crop
    first, *corner = (int(rng.integers(places + 1)) for places in room)
    during = slice(first, first + config.frames)
    cut = {"given": clip["given"][during]}
    for name, factor in (("drawn", FACTOR), ("small", 1), ("large", FACTOR)):
        rows, columns = (slice(factor * start, factor * (start + config.crop)) for start in corner)
        cut[name] = clip[name][during, :, rows, columns].float() / 127.5 - 1
    return cut


def as_pipeline(sr: DirectorSRPipeline, restorer: FrameRestorer, vae: AutoencoderKLWan | None) -> DirectorSRPipeline:
    """The same Director-SR with this restorer: what is sampled from and exported."""
    pipeline = DirectorSRPipeline(**{**sr.components, "vae": vae, "restorer": restorer}, upsample=sr.config.upsample)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample_strip(director: Director, restorer: FrameRestorer, path: Path) -> None:
    """Held-out scenes: bicubic, with a keyframe unrestored and restored, the truth; one below the other, as one PNG."""
    pipeline, columns = as_pipeline(director.sr, restorer, director.sr.vae), []
    for seed in (HELD_OUT_SEED + 3, HELD_OUT_SEED + 8):
        scene = sample_scene(seed, 13, num_shots=1)
        small, large = (render(scene, *size).transpose(0, 1) * 2 - 1 for size in (DRAFT, FINAL))
        keyframe = VideoCondition(image=large[:, 0], frame_index=0)
        options = {"num_inference_steps": director.sr_steps, "output_type": "pt"}
        videos = [pipeline(small, [keyframe], restore=restore, **options).frames[0] for restore in (False, True)]
        rows = [resize(small[None], FINAL)[0], *[video.cpu().transpose(0, 1) * 2 - 1 for video in videos], large]
        columns.append(torch.cat([row[:, 3::4] for row in rows], dim=-2))
    save_strip(torch.cat(columns, dim=1), path)


def train_restorer(config: RestorerConfig) -> None:
    """Upscale the clips that are missing, train or resume, and export a Director-SR's folder to `<out>/export`.

    Raises ValueError for bad options, and for a model, a film or a bank that is not there or does not fit.
    """
    join_processes()
    director = load_director(config.model)
    if director.sr is None:
        raise ValueError(f"model = {config.model}: it has no second stage (director-sr); train one (`train sr`)")
    director.sr.set_progress_bar_config(disable=True)
    film = FilmShots.load(config.film) if config.film else None
    options = {"film": film, "film_share": config.film_share, "seed": config.seed}
    make_shards(config, lambda index: build_clips(director, config.bank, index, **options))
    clips = read_clips(config.bank, fingerprint(director))
    torch.manual_seed(config.seed)
    model = TrainedRestorer(start_restorer(config))
    optimizers = [torch.optim.AdamW(model.parameters(), config.lr, betas=(0.9, 0.99), weight_decay=0)]

    def loss(model: nn.Module, step: int, device: torch.device) -> dict[str, Tensor]:
        return restorer_loss(model, draw_batch(config, clips, step, device), config)

    def sample(model: TrainedRestorer, folder: Path, step: int) -> None:
        sample_strip(director, model.restorer, folder / f"{step:06d}.png")

    def export(model: TrainedRestorer, folder: Path) -> None:
        as_pipeline(director.sr, model.restorer, None).save_pretrained(folder)

    train(config, model, optimizers, loss, sample, export)


def start_restorer(config: RestorerConfig) -> FrameRestorer:
    """That of the Director-SR in `config.init`, or a new one, which leaves frames nearly as they are."""
    if not config.init:
        return FrameRestorer(config.channels, config.blocks, config.flow_channels)
    check_init(config.init, "restorer")
    restorer = DirectorSRPipeline.from_pretrained(config.init, vae=None, transformer=None).restorer
    if restorer is None:
        raise ValueError(f"init = {config.init}: this Director-SR has no restorer; give the export of `train restorer`")
    return restorer.float()
