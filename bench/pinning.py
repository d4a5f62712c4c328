"""Does every keyframe come back as decode(encode(keyframe)), whatever the model generates?

Prints the largest difference over all keyframes of random plans, whose other latents are random. Then it prints the
keyframe error (to the image that was asked for) in the middle and at the end over the error at frame 0, for Multi-Chunk
and for naive latent replacement.
"""

import random

import torch
from common import arguments, as_video, held_out_scene, load_director
from diffusers import AutoencoderKLWan
from torch import Tensor

from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae.causal import decode_clip, encode_clip
from smartdirector_lite.vae.multichunk import decode, encode_conditions, encode_video
from smartdirector_lite.vae.naive import decode_naive, replace_naive

PLACES = {"first": 0, "middle": 22, "last": 44}  # frames of a video of 45


def pinned_difference(vae: AutoencoderKLWan, truth: Tensor, rng: random.Random) -> float:
    """Decode one random plan with random latents between its keyframes.

    Args:
        truth: (1, 3, T, H, W) in [-1, 1], whose frames are the keyframes.

    Returns:
        The largest difference at its keyframes to the keyframes passed through the VAE alone.
    """
    num_frames = rng.randint(5, truth.shape[2])
    frames = sorted(rng.sample(range(num_frames), rng.randint(1, min(5, num_frames))))
    plan = ChunkPlan.build(num_frames, [Condition(frame) for frame in frames], vae.config.scale_factor_temporal)
    keyframes = [truth[:, :, frame : frame + 1] for frame in frames]
    latents = encode_conditions(vae, plan, keyframes)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(rng.randrange(10**6)))
    anchored = torch.tensor(plan.anchors).view(1, 1, -1, 1, 1)
    shown = decode(vae, plan, torch.where(anchored, latents, noise))
    ideal = [decode_clip(vae, encode_clip(vae, keyframe)) for keyframe in keyframes]
    return max(float((shown[:, :, f : f + 1] - image).abs().max()) for f, image in zip(frames, ideal, strict=True))


@torch.no_grad()
def main() -> None:
    options = arguments(
        __doc__, plans=(200, "random plans"), clips=(16, "toy clips for the errors by the keyframe's place")
    )
    vae, rng = load_director(options.model).gen.vae, random.Random(0)
    stride = vae.config.scale_factor_temporal
    worst = 0.0
    for index in range(options.plans):
        _, truth = held_out_scene(index % 8, 30)
        worst = max(worst, pinned_difference(vae, as_video(truth), rng))
    print(f"{options.plans} random plans: largest difference to decode(encode(keyframe)) {worst:.1e} (target 1e-4)")

    ours, naive = dict.fromkeys(PLACES, 0.0), dict.fromkeys(PLACES, 0.0)
    for index in range(options.clips):
        _, truth = held_out_scene(index, 45)
        video = as_video(truth)
        whole = encode_clip(vae, video)
        keyframe = video[:, :, :1]  # the same image at each place, so that the errors can be compared
        for name, frame in PLACES.items():
            plan = ChunkPlan.build(45, [Condition(frame)], stride)
            latents = encode_video(vae, plan, video)
            latents[:, :, plan.anchors.index(True)] = encode_clip(vae, keyframe)[:, :, 0]
            ours[name] += float((decode(vae, plan, latents)[:, :, frame] - keyframe[:, :, 0]).abs().mean())
            replaced = replace_naive(vae, whole, [Condition(frame)], [keyframe])
            naive[name] += float((decode_naive(vae, 45, replaced)[:, :, frame] - keyframe[:, :, 0]).abs().mean())
    for name in ("middle", "last"):
        print(
            f"keyframe error, {name} / first: Multi-Chunk {ours[name] / ours['first']:.2f} (target 1.00), "
            f"naive replacement {naive[name] / naive['first']:.2f}"
        )


if __name__ == "__main__":
    main()
