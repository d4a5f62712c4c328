"""Seconds: a video of 49 frames with 3 keyframes; each step; encoding; decoding; cost against length; memory in
decoding.
"""

import resource
import subprocess
import sys
import time

import torch
from common import HEIGHT, WIDTH, arguments, held_out_scene, load_director

from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae.multichunk import decode, encode_conditions, iter_decode


def timed(action, repeat: int = 3) -> float:
    """Median seconds of `repeat` calls, after one that does not count."""
    action()
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return sorted(times)[repeat // 2]


def decode_peak(model: str, num_frames: int) -> float:
    """Peak resident memory, MB, of a process that decodes a video of this length frame by frame."""
    command = [sys.executable, __file__, "--model", model, "--decode-only", str(num_frames)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.no_grad()
def main() -> None:
    options = arguments(__doc__, decode_only=0)
    director = load_director(options.model)
    gen, vae = director.gen, director.gen.vae
    gen.set_progress_bar_config(disable=True)
    stride = vae.config.scale_factor_temporal
    if options.decode_only:
        plan = ChunkPlan.build(options.decode_only, [Condition(f) for f in range(0, options.decode_only, 24)], stride)
        latents = torch.randn(1, vae.config.z_dim, plan.num_latents, HEIGHT // 8, WIDTH // 8)
        for _ in iter_decode(vae, plan, latents):
            pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print(
        f"{torch.get_num_threads()} threads, {WIDTH}x{HEIGHT}, {director.steps} steps, "
        f"guidance {director.guidance_scale}"
    )
    for num_frames in (25, 49, 97, 181, 361):
        _, truth = held_out_scene(0, 49)
        places = [0, num_frames // 2, num_frames - 1]
        images = [truth[k % 49] * 2 - 1 for k in places]
        conditions = [
            VideoCondition(image=image, frame_index=frame) for image, frame in zip(images, places, strict=True)
        ]
        plan = gen.plan(num_frames, conditions)
        videos = [image[None, :, None] for image in images]
        latents = torch.randn(1, vae.config.z_dim, plan.num_latents, HEIGHT // 8, WIDTH // 8)
        embeds = torch.zeros(1, 128, gen.transformer.config.text_dim)
        rotary = gen.transformer.rotary(plan.tau(), *latents.shape[-2:])
        timestep = torch.full((1, plan.num_latents), 500.0)
        step = timed(lambda l=latents, t=timestep, r=rotary, e=embeds: gen.transformer(l, t, e, rotary_emb=r))
        encoding = timed(lambda p=plan, v=videos: encode_conditions(vae, p, v))
        decoding = timed(lambda p=plan, l=latents: decode(vae, p, l))
        started = time.perf_counter()
        gen(
            "A sunny meadow.",
            conditions=conditions,
            num_frames=num_frames,
            height=HEIGHT,
            width=WIDTH,
            num_inference_steps=director.steps,
            guidance_scale=director.guidance_scale,
        )
        print(
            f"{num_frames:4} frames, {plan.num_latents:3} latents: video {time.perf_counter() - started:6.2f} s; "
            f"model call {step:.3f} s, "
            f"encode {encoding:.3f} s, decode {decoding:.2f} s"
        )
    short, long = decode_peak(options.model, 49), decode_peak(options.model, 721)
    print(f"peak memory of a process that decodes 49 frames {short:.0f} MB, 721 frames {long:.0f} MB")


if __name__ == "__main__":
    main()
