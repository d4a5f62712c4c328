"""How long the parts of stage one take, and how much memory decoding needs, against the length of the video.

For each length: seconds of a whole video with 3 keyframes, of one call of the transformer, of encoding the keyframes
and of decoding. Then the peak memory of a process that decodes a short and a long video frame by frame.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from common import DRAFT, arguments, held_out_scene, load_director

from smartdirector_lite.gen import VideoCondition
from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae.causal import latent_shape
from smartdirector_lite.vae.multichunk import decode, encode_conditions, iter_decode

LENGTHS = (25, 49, 97, 181, 361)
TOKENS = 128  # length of the text


def timed(action: Callable[[], object], repeat: int = 3) -> float:
    """The median seconds of `repeat` calls, after one call that does not count."""
    action()
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return sorted(times)[repeat // 2]


def decode_peak(model: str, num_frames: int) -> float:
    """The peak resident memory, in MB, of a process that decodes a video of this length frame by frame."""
    command = [sys.executable, __file__, "--model", model, "--decode-only", str(num_frames)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def decode_only(vae, num_frames: int) -> None:
    """Decode random latents frame by frame, and print this process's peak memory in MB."""
    conditions = [Condition(frame) for frame in range(0, num_frames, 24)]
    plan = ChunkPlan.build(num_frames, conditions, vae.config.scale_factor_temporal)
    for _ in iter_decode(vae, plan, torch.randn(1, *latent_shape(vae, plan.num_latents, *DRAFT[::-1]))):
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(director, num_frames: int) -> str:
    """Time a video of this length; return the line to print."""
    gen, vae, defaults = director.gen, director.gen.vae, director.defaults
    _, truth = held_out_scene(0, 49)
    places = [0, num_frames // 2, num_frames - 1]
    images = [truth[k % 49] * 2 - 1 for k in places]
    conditions = [VideoCondition(image=image, frame_index=frame) for image, frame in zip(images, places, strict=True)]
    plan = gen.plan(num_frames, conditions)
    videos = [image[None, :, None] for image in images]
    latents = torch.randn(1, *latent_shape(vae, plan.num_latents, *DRAFT[::-1]))
    embeds = torch.zeros(1, TOKENS, gen.transformer.config.text_dim)
    rotary = gen.transformer.rotary(plan.tau(), *latents.shape[-2:])
    timestep = torch.full((1, plan.num_latents), 500.0)
    step = timed(lambda: gen.transformer(latents, timestep, embeds, rotary_emb=rotary))
    encoding = timed(lambda: encode_conditions(vae, plan, videos))
    decoding = timed(lambda: decode(vae, plan, latents))
    started = time.perf_counter()
    gen(
        "A sunny meadow.",
        conditions=conditions,
        num_frames=num_frames,
        height=DRAFT.height,
        width=DRAFT.width,
        num_inference_steps=defaults.steps,
        guidance_scale=defaults.guidance_scale,
    )
    whole = time.perf_counter() - started
    return (
        f"{num_frames:4} frames, {plan.num_latents:3} latents: video {whole:6.2f} s; model call {step:.3f} s, "
        f"encode {encoding:.3f} s, decode {decoding:.2f} s"
    )


@torch.no_grad()
def main() -> None:
    options = arguments(__doc__, decode_only=(0, "only decode this many frames, and print the peak memory in MB"))
    director = load_director(options.model)
    director.gen.set_progress_bar_config(disable=True)
    if options.decode_only:
        decode_only(director.gen.vae, options.decode_only)
        return
    defaults = director.defaults
    print(f"{torch.get_num_threads()} threads, {DRAFT}, {defaults.steps} steps, guidance {defaults.guidance_scale}")
    for num_frames in LENGTHS:
        print(measure(director, num_frames))
    short, long = decode_peak(options.model, 49), decode_peak(options.model, 721)
    print(f"peak memory of a process that decodes 49 frames {short:.0f} MB, 721 frames {long:.0f} MB")


if __name__ == "__main__":
    main()
