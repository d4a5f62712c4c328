"""How much of what the VAE loses is lost by its encoder, and how much by its decoder.

The encoder's latents of held-out toy clips are improved by gradient descent through the decoder, which stays as it is.
A better encoder for the same decoder could gain what the descent gains. What is still missing after the descent is lost
by the decoder, or by the size of the latents.
"""

import torch
from common import DRAFT, HELD_OUT_SEED, arguments, as_footage, as_video, load_director, render, sample_scene
from torch.nn import functional as F

from smartdirector_lite.evaluation.metrics import PooledError
from smartdirector_lite.training.whole_sequence import decode_whole, encode_whole
from smartdirector_lite.vae.causal import normalize_latents

RATE = 0.02  # Adam's learning rate, in the latents' own units


def main() -> None:
    options = arguments(
        __doc__,
        clips=(4, "how many"),
        frames=(9, "frames of a clip"),
        steps=(80, "steps of the descent"),
    )
    vae = load_director(options.model).gen.vae.float().requires_grad_(False)
    for scale in (1, 2):
        size = DRAFT.times(scale)
        errors, drift = {"encoder": PooledError(), "descent": PooledError()}, 0.0
        for index in range(options.clips):
            scene = sample_scene(HELD_OUT_SEED + index, max(options.frames, 24), 1)
            truth = render(scene, size, frames=slice(0, options.frames))
            video = as_video(truth)
            encoded = encode_whole(vae, video)[:, : vae.config.z_dim]
            latents = encoded.clone().requires_grad_()
            optimizer = torch.optim.Adam([latents], lr=RATE)
            for _ in range(options.steps):
                optimizer.zero_grad()
                F.mse_loss(decode_whole(vae, latents), video).backward()
                optimizer.step()
            for name, z in (("encoder", encoded), ("descent", latents)):
                errors[name].add(as_footage(decode_whole(vae, z.detach())).clamp(0, 1), truth)
            moved = normalize_latents(vae, latents.detach()) - normalize_latents(vae, encoded)
            drift += float(moved.square().mean()) / options.clips
        print(
            f"{options.clips} toy clips of {options.frames} frames at {size}: the encoder's "
            f"latents {errors['encoder'].psnr:.2f} dB, after {options.steps} steps of descent "
            f"{errors['descent'].psnr:.2f} dB, {drift**0.5:.2f} of the latents' spread away"
        )


if __name__ == "__main__":
    main()
