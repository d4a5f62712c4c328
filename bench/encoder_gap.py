"""How much of what the VAE loses is its encoder's, and how much its decoder's.

The encoder's latents are improved by descent through the decoder, which stays as it is, on held-out toy clips. What
that gains an encoder of the same decoder could gain; what is still missing then is the decoder's, or the latents' size.
"""

import torch
from common import HEIGHT, HELD_OUT_SEED, WIDTH, arguments, as_frames, as_video, load_director, render, sample_scene
from torch.nn import functional as F

from smartdirector_lite.evaluation.metrics import PooledError
from smartdirector_lite.training.parallel_vae import decode_frames, encode_moments
from smartdirector_lite.vae.multichunk import normalize_latents

RATE = 0.02  # of Adam, in the latents' own units


def main() -> None:
    options = arguments(__doc__, clips=4, frames=9, steps=80)
    vae = load_director(options.model).gen.vae.float().requires_grad_(False)
    for scale in (1, 2):
        errors, drift = {"encoder": PooledError(), "descent": PooledError()}, 0.0
        for index in range(options.clips):
            scene = sample_scene(HELD_OUT_SEED + index, max(options.frames, 24), 1)
            frames = render(scene, scale * HEIGHT, scale * WIDTH, frames=slice(0, options.frames))
            video = as_video(frames)
            encoded = encode_moments(vae, video)[:, : vae.config.z_dim]
            latents = encoded.clone().requires_grad_()
            optimizer = torch.optim.Adam([latents], lr=RATE)
            for _ in range(options.steps):
                optimizer.zero_grad()
                F.mse_loss(decode_frames(vae, latents), video).backward()
                optimizer.step()
            for name, z in (("encoder", encoded), ("descent", latents)):
                errors[name].add(as_frames(decode_frames(vae, z.detach())).clamp(0, 1), frames)
            moved = normalize_latents(vae, latents.detach()) - normalize_latents(vae, encoded)
            drift += float(moved.square().mean()) / options.clips
        print(
            f"{options.clips} toy clips of {options.frames} frames at {scale * WIDTH}x{scale * HEIGHT}: the encoder's "
            f"latents {errors['encoder'].psnr:.2f} dB, after {options.steps} steps of descent "
            f"{errors['descent'].psnr:.2f} dB, {drift**0.5:.2f} of the latents' spread away"
        )


if __name__ == "__main__":
    main()
