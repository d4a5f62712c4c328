"""What a small video may have suffered before it is upscaled: blur, resampling, noise and compression.

Videos are (T, 3, H, W) in [0, 1]. The same random generator gives the same result.
"""

import io
import math
from fractions import Fraction

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..media.pixels import CONVERSION, DecodedFrame, converted, frame_pixels
from ..media.writing import SAME_EVERY_TIME

CRF = (20, 36)  # H.264's rate factor, from hardly visible to blocky
BLUR = (0.3, 1.2)  # standard deviation in pixels
SHRINK = (0.1, 1.0)  # scale; at the lowest only a keyframe can tell what a letter was. Its logarithm is uniform
NOISE = 0.03  # largest standard deviation


def degrade(rng: np.random.Generator, video: Tensor, clean: float = 0.3) -> Tensor:
    """Spoil a clip as the world might. With probability `clean` it stays as it is."""
    if rng.random() < clean:
        return video
    if rng.random() < 0.5:
        video = blur(video, rng.uniform(*BLUR))
    if rng.random() < 0.6:
        video = resample(video, math.exp(rng.uniform(*np.log(SHRINK))))
    if rng.random() < 0.4:
        noise = rng.standard_normal(video.shape, dtype=np.float32) * rng.uniform(0, NOISE)
        video = video + torch.from_numpy(noise).to(video)
    video = video.clamp(0, 1)
    return compress(video, int(rng.integers(*CRF))) if rng.random() < 0.6 else video


def blur(video: Tensor, sigma: float) -> Tensor:
    """Blur in space. sigma: the Gaussian's standard deviation in pixels."""
    reach = max(1, round(3 * sigma))
    place = torch.arange(-reach, reach + 1, device=video.device, dtype=torch.float32)
    kernel = (-0.5 * (place / sigma).square()).exp()
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = F.pad(video, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3)


def resample(video: Tensor, scale: float) -> Tensor:
    """Shrink a video by `scale`, and enlarge it again."""
    small = [max(1, round(scale * side)) for side in video.shape[-2:]]
    shrunk = F.interpolate(video, size=small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(shrunk, size=video.shape[-2:], mode="bicubic", align_corners=False).clamp(0, 1)


def compress(video: Tensor, crf: int) -> Tensor:
    """Encode a video in H.264 (4:2:0) and decode it, in memory, with the conversions of `media`. Sides must be even."""
    pixels = (video.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(12))
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "preset": "veryfast", **SAME_EVERY_TIME}
        for image in pixels:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(converted(frame, format="yuv420p", interpolation=CONVERSION)))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        decoded = [frame_pixels(DecodedFrame(frame)) for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).to(video.device, torch.float32) / 255
