"""Short trainings of equal budget, one for each tau scheme, with the same first weights, batches, noise and steps.

Each small transformer is then measured under its own scheme, on held-out toy shots with keyframes at random places. The
figures are the mean squared error of the velocity over all latents that are not anchors, and over the latents just
before a keyframe of the next chunk, where the schemes differ most. They are printed and written to
bench/results/rope.json, which notebook 03 quotes. The bench takes a trained VAE and its bank (`smartdirector train
vae`, `smartdirector train bank`). A run that was stopped goes on from its last checkpoint.
"""

import json
import statistics
from pathlib import Path

import numpy as np
import torch
from common import arguments, as_video, held_out_scene
from diffusers import AutoencoderKLWan
from torch import Tensor

from smartdirector_lite.flow import path, velocity
from smartdirector_lite.gen import DirectorGenPipeline
from smartdirector_lite.timeline import TAU_SCHEMES, ChunkPlan, Condition
from smartdirector_lite.training.clips import scene_caption
from smartdirector_lite.training.gen import GenConfig, TrainedGen, train_gen
from smartdirector_lite.training.vae import load_vae
from smartdirector_lite.vae.multichunk import encode_video

TIMES = (0.9, 0.6, 0.3)
HeldOutClip = tuple[ChunkPlan, Tensor, Tensor, str]
RESULTS = Path(__file__).parent / "results" / "rope.json"


def held_out_clip(vae: AutoencoderKLWan, index: int, num_frames: int = 37) -> HeldOutClip:
    """Encode a held-out shot with three keyframes anywhere.

    Returns:
        Its plan, its latents x_0 and noise x_1, both (1, C, F, h, w), and its caption.
    """
    rng = np.random.default_rng(index)
    scene, truth = held_out_scene(index, num_frames)
    keyframes = sorted(rng.choice(num_frames, 3, replace=False).tolist())
    plan = ChunkPlan.build(num_frames, [Condition(frame) for frame in keyframes], vae.config.scale_factor_temporal)
    x_0 = encode_video(vae, plan, as_video(truth))
    return plan, x_0, torch.randn(x_0.shape, generator=torch.Generator().manual_seed(index)), scene_caption(scene)


def beside_keyframes(plan: ChunkPlan) -> Tensor:
    """Mark the last latent of each chunk before a keyframe, unless it is an anchor: (F,) bools."""
    before = [b.latent_start - 1 for a, b in zip(plan.chunks, plan.chunks[1:]) if b.condition is not None]
    beside = torch.zeros(plan.num_latents, dtype=torch.bool)
    beside[before] = True
    return beside & ~torch.tensor(plan.anchors)


@torch.no_grad()
def measure(folder: Path, scheme: str, clips: list[HeldOutClip]) -> dict[str, float]:
    """Measure the velocity's mean squared error at each of TIMES, over free latents and over those before keyframes."""
    pipeline = DirectorGenPipeline.from_pretrained(folder, vae=None, dtype=torch.float32)
    model = TrainedGen(pipeline.text_encoder, pipeline.transformer, pipeline.config.sigma_data).eval()
    found: dict[str, list[float]] = {}
    for plan, x_0, x_1, caption in clips:
        anchors, beside = torch.tensor(plan.anchors), beside_keyframes(plan)
        text = pipeline.tokenizer([caption], padding="max_length", truncation=True, return_tensors="pt")
        for time in TIMES:
            t = torch.where(anchors, 0.0, time)[None]
            x_t, tau = path(x_0, x_1, t), torch.tensor([plan.tau(scheme)])
            predicted = model(x_t, t, text.input_ids, text.attention_mask, tau)
            error = (predicted - velocity(x_0, x_1)).square().mean(dim=(0, 1, 3, 4))
            found.setdefault(f"t = {time}", []).extend(error[~anchors].tolist())
            found.setdefault(f"t = {time}, beside keyframes", []).extend(error[beside].tolist())
    return {name: round(statistics.mean(values), 4) for name, values in found.items()}


def main() -> None:
    options = arguments(
        __doc__,
        vae=("runs/vae/export", "the trained VAE's folder"),
        bank=("runs/bank", "the folder of encoded clips"),
        out=("runs/rope", "folder for the runs"),
        steps=(500, "steps of each training"),
        clips=(48, "held-out shots to measure on"),
        seed=(0, "seed of the weights, the batches and the noise"),
        minutes=(60.0, "how long each training may take"),
    )
    sizes = {"heads": 4, "head_dim": 32, "layers": 4, "ffn_dim": 512, "latent_frames": 60}
    vae = load_vae(options.vae, "vae").eval()
    clips = [held_out_clip(vae, index) for index in range(options.clips)]
    errors = {}
    for scheme in TAU_SCHEMES:
        folder = Path(options.out) / scheme
        run = {"steps": options.steps, "seed": options.seed, "minutes": options.minutes, "save_minutes": 10.0}
        paths = {"vae": options.vae, "bank": options.bank, "shards": 0, "out": str(folder)}
        train_gen(GenConfig(rope=scheme, cut_gap=0.0, ema=0.99, **sizes, **run, **paths))
        errors[scheme] = measure(folder / "export", scheme, clips)
    for name, best in errors["frame_time"].items():
        row = "  ".join(f"{scheme} {values[name]:.4f} ({values[name] / best:.3f})" for scheme, values in errors.items())
        print(f"{name:24} {row}")
    result = {"steps": options.steps, "seed": options.seed, "clips": options.clips, "sizes": sizes, "errors": errors}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
