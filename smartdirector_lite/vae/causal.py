"""One causal run of frames through diffusers' Wan VAE: encoding and decoding, at once or as frames and latents come.

A causal VAE encodes the first frame of a run alone and then s frames at a time. Every step also reads a cache, in which
each causal convolution keeps the last features of the steps before. diffusers stores this cache on the VAE object. An
exception or a second decoder would find it there half used. Encoder and decoder also take the cache as an argument,
and here every run brings its own. Any number of runs may therefore go on side by side, in turns or in threads, and a
run that is abandoned leaves nothing behind.

The VAE's own switches hold here too: `vae.enable_slicing()` codes one sample of a batch at a time, and
`vae.enable_tiling()` codes large frames in overlapping tiles.

Axes: B batch, T frames, H, W height and width in pixels; C latent channels, n latent frames, h, w latent height and
width; s is the temporal stride, the number of frames in a latent. Latents are float32 and normalised unless a docstring
says otherwise.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import torch
from accelerate.hooks import CpuOffload
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, patchify, unpatchify
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from ..timeline import num_latents_for

# ---------------------------------------------------------------- latents


def normalize_latents(vae: AutoencoderKLWan, z: Tensor) -> Tensor:
    """Normalise the VAE's latents z (B, C, n, h, w): (z - mean) / std with the statistics of its config, in float32."""
    mean, std = _latent_statistics(vae, z.device)
    return (z.float() - mean) * (1.0 / std)


def denormalize_latents(vae: AutoencoderKLWan, z: Tensor) -> Tensor:
    """Undo `normalize_latents`: z * std + mean of latents z (B, C, n, h, w), in float32. The VAE decodes this."""
    mean, std = _latent_statistics(vae, z.device)
    return z.float() / (1.0 / std) + mean


def _latent_statistics(vae: AutoencoderKLWan, device: torch.device) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of the VAE's latents, (1, C, 1, 1, 1) each."""
    values = torch.tensor([vae.config.latents_mean, vae.config.latents_std], device=device)
    return values.view(2, 1, vae.config.z_dim, 1, 1, 1).unbind()


def latent_shape(vae: AutoencoderKLWan, num_latents: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the shape (C, n, h, w) of the latents of frames of height x width pixels.

    Raises:
        ValueError: the VAE can't take frames of this size.
    """
    ratio = vae.config.scale_factor_spatial
    if height % ratio or width % ratio or height < ratio or width < ratio:
        raise ValueError(f"frames are {height} x {width}: height and width must be multiples of {ratio}")
    return vae.config.z_dim, num_latents, height // ratio, width // ratio


# ---------------------------------------------------------------- encoding


def encode_clip(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode one causal run. The result is the posterior's mode, so it is always the same.

    Args:
        video: (B, 3, T, H, W) in [-1, 1]. The last group of frames is filled up to s frames by repeating its last
            frame; diffusers would drop that group.

    Returns:
        Latents (B, C, n, h, w) with n = 1 + ceil((T - 1) / s). Gradients flow where the caller's grad mode allows it.

    Raises:
        ValueError: the video has another shape, holds integers, or has a size that the VAE can't take.
    """
    check_video(vae, video)
    samples = video.split(1) if vae.use_slicing else [video]
    runs = [torch.cat(list(encode_run(vae, sample.split(1, dim=2))), dim=2) for sample in samples]
    return torch.cat(runs)


def encode_run(vae: AutoencoderKLWan, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Encode one causal run as its frames come. Memory does not grow with the length of the run, unless it is tiled.

    Args:
        frames: (B, 3, 1, H, W) each, in [-1, 1].

    Returns:
        An iterator over the latents that `encode_clip` gives, (B, C, 1, h, w) each.

    Raises:
        ValueError: as `encode_clip`, when the frame in question is read.
    """
    groups = _groups(frames, vae.config.scale_factor_temporal)
    cache = _new_cache(vae.encoder)
    for group in groups:
        check_video(vae, group)
        if _is_tiled(vae, group.shape, 1):
            means = _encode_tiled(vae, torch.cat([group, *groups], dim=2))
            yield from normalize_latents(vae, means).split(1, dim=2)
            return
        yield normalize_latents(vae, _encode_group(vae, group, cache))


def _groups(frames: Iterable[Tensor], stride: int) -> Iterator[Tensor]:
    """Join frames (B, 3, 1, H, W) as the encoder takes them: the first alone, then s at a time, the last filled up."""
    frames = iter(frames)
    size = 1
    while group := list(itertools.islice(frames, size)):
        group += group[-1:] * (size - len(group))
        yield group[0] if len(group) == 1 else torch.cat(group, dim=2)
        size = stride


@apply_forward_hook  # lets model offloading bring the VAE in, as before `vae.encode` and `vae.decode`
def _encode_group(vae: AutoencoderKLWan, frames: Tensor, cache: list) -> Tensor:
    """The next latent of a run, from 1 or s frames: (B, C, 1, h, w), not normalised, in the VAE's dtype."""
    x = frames.to(vae.dtype)
    if vae.config.patch_size is not None:
        x = patchify(x, vae.config.patch_size)
    moments = vae.quant_conv(vae.encoder(x, feat_cache=cache, feat_idx=[0]))
    return moments.chunk(2, dim=1)[0]


def _encode_tiled(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode a whole run (B, 3, T, H, W) in tiles: (B, C, n, h, w), not normalised, in the VAE's dtype."""

    def encode(tile: Tensor) -> Tensor:
        cache = _new_cache(vae.encoder)
        groups = _groups(tile.split(1, dim=2), vae.config.scale_factor_temporal)
        return torch.cat([_encode_group(vae, group, cache).cpu() for group in groups], dim=2)

    pixel = Fraction(vae.config.patch_size or 1)  # for the encoder, diffusers counts a tile's sides in patches
    return _in_tiles(vae, video, encode, pixel, Fraction(1, vae.config.scale_factor_spatial)).to(video.device)


# ---------------------------------------------------------------- decoding


def decode_clip(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode one causal run: latents (B, C, n, h, w) -> (B, 3, 1 + s (n - 1), H, W) in [-1, 1], in the VAE's dtype."""
    return torch.cat(list(decode_run(vae, latents.split(1, dim=2))), dim=2)


def decode_run(vae: AutoencoderKLWan, latents: Iterable[Tensor]) -> Iterator[Tensor]:
    """Decode one causal run as its latents come. Memory does not grow with the length of the run, unless it is tiled.

    Args:
        latents: (B, C, 1, h, w) each.

    Returns:
        An iterator over one tensor for each latent, (B, 3, t, H, W) in [-1, 1], in the VAE's dtype; t is 1 for the
        first latent and s for the others.
    """
    latents = iter(latents)
    caches: list[list] = []
    for latent in latents:
        if _is_tiled(vae, latent.shape, vae.config.scale_factor_spatial):
            yield from _decode_tiled(vae, torch.cat([latent, *latents], dim=2))
            return
        yield _to_pixels(vae, _decode_latent(vae, latent, caches))


@apply_forward_hook  # at every latent, since other models may have run since the last one
def _decode_latent(vae: AutoencoderKLWan, latent: Tensor, caches: list[list]) -> Tensor:
    """Decode the next latent of a run. The list of caches is empty at first and then holds one for each slice."""
    z = denormalize_latents(vae, latent).to(vae.dtype)
    samples = [vae.post_quant_conv(sample) for sample in (z.split(1) if vae.use_slicing else [z])]
    is_first = not caches
    if is_first:
        caches += [_new_cache(vae.decoder) for _ in samples]
    pairs = zip(samples, caches, strict=True)
    decoded = [vae.decoder(sample, feat_cache=cache, feat_idx=[0], first_chunk=is_first) for sample, cache in pairs]
    return decoded[0] if len(decoded) == 1 else torch.cat(decoded)


def _to_pixels(vae: AutoencoderKLWan, patches: Tensor) -> Tensor:
    """What the decoder gives, (B, 3 p p, t, H / p, W / p) for patches of p x p pixels -> (B, 3, t, H, W) in [-1, 1]."""
    if vae.config.patch_size is not None:
        patches = unpatchify(patches, vae.config.patch_size)
    return patches.clamp(-1.0, 1.0)


def _decode_tiled(vae: AutoencoderKLWan, latents: Tensor) -> Iterator[Tensor]:
    """Decode a whole run (B, C, n, h, w) in tiles, and give its frames as `decode_run` does."""

    def decode(tile: Tensor) -> Tensor:
        caches: list[list] = []
        return torch.cat([_decode_latent(vae, latent, caches).cpu() for latent in tile.split(1, dim=2)], dim=2)

    ratio = vae.config.scale_factor_spatial
    patches = _in_tiles(vae, latents, decode, Fraction(1, ratio), Fraction(ratio, vae.config.patch_size or 1))
    counts = [1] + [vae.config.scale_factor_temporal] * (latents.shape[2] - 1)
    for part in patches.split(counts, dim=2):
        yield _to_pixels(vae, part.to(latents.device))


# ---------------------------------------------------------------- tiles


def _is_tiled(vae: AutoencoderKLWan, shape: torch.Size, ratio: int) -> bool:
    """Whether something of this shape (..., rows, columns), with `ratio` pixels to a cell, is coded in tiles."""
    rows, columns = vae.tile_sample_min_height // ratio, vae.tile_sample_min_width // ratio
    return vae.use_tiling and (shape[-2] > rows or shape[-1] > columns)


def _in_tiles(
    vae: AutoencoderKLWan, x: Tensor, code: Callable[[Tensor], Tensor], pixel: Fraction, scale: Fraction
) -> Tensor:
    """Code a whole run in overlapping tiles and blend them, with the result of diffusers' tiled coding.

    Args:
        x: (B, c, T, rows, columns), a video or its latents.
        code: codes one tile of x from its first frame to its last, and returns it in the CPU's memory. There the tiles
            wait for each other, so that a GPU holds one at a time.
        pixel: the number of cells of x that correspond to a pixel of the VAE's tile settings.
        scale: the number of cells of the result that correspond to a cell of x.

    Returns:
        (B, c', T', scale * rows, scale * columns), in the CPU's memory.
    """
    rows, columns = int(pixel * vae.tile_sample_min_height), int(pixel * vae.tile_sample_min_width)
    down, across = int(pixel * vae.tile_sample_stride_height), int(pixel * vae.tile_sample_stride_width)
    above: list[Tensor] = []
    strips = []
    for top in range(0, x.shape[3], down):
        row: list[Tensor] = []
        for left in range(0, x.shape[4], across):
            tile = code(x[..., top : top + rows, left : left + columns])
            if above:
                tile = vae.blend_v(above[len(row)], tile, int(scale * (rows - down)))
            if row:
                tile = vae.blend_h(row[-1], tile, int(scale * (columns - across)))
            row.append(tile)
        strips.append(torch.cat([tile[..., : int(scale * down), : int(scale * across)] for tile in row], dim=-1))
        above = row
    height, width = (int(scale * side) for side in x.shape[3:])
    return torch.cat(strips, dim=3)[..., :height, :width]


# ---------------------------------------------------------------- helpers


def pad_tail(video: Tensor, stride: int) -> Tensor:
    """Repeat the last frame of a video (B, 3, T, H, W) until its length is s k + 1."""
    missing = 1 + stride * (num_latents_for(video.shape[2], stride) - 1) - video.shape[2]
    return torch.cat([video, video[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2) if missing else video


def check_shape(name: str, value: Tensor, *needed: int | str) -> None:
    """Raise a ValueError unless `value` is a tensor of this shape. A letter stands for any length from 1 on."""
    shape = tuple(getattr(value, "shape", ()))
    pairs = zip(shape, needed, strict=False)
    fits = [length > 0 if isinstance(want, str) else length == want for length, want in pairs]
    if not isinstance(value, Tensor) or len(shape) != len(needed) or not all(fits):
        raise ValueError(f"{name} has shape {shape}; give a tensor ({', '.join(map(str, needed))})")


def check_video(vae: AutoencoderKLWan, video: Tensor, name: str = "video") -> None:
    """Raise a ValueError unless the video is a tensor (B, 3, T, H, W) of floats, of a size that the VAE takes."""
    check_shape(name, video, "B", 3, "T", "H", "W")
    if not video.is_floating_point():
        raise ValueError(f"{name} is {video.dtype}: give floats in [-1, 1]")
    latent_shape(vae, 1, *video.shape[-2:])


def _new_cache(coder: nn.Module) -> list[None]:
    """An empty cache for the VAE's encoder or decoder, with one slot for each causal convolution."""
    return [None] * sum(isinstance(module, WanCausalConv3d) for module in coder.modules())


def release(model: nn.Module | None) -> None:
    """Move a model to the CPU's memory if model offloading brought it to the GPU. Any other model stays where it is.

    Model offloading moves a model out when the next one in its order runs. The VAE is the last in that order: after it
    has encoded keyframes, it would stay on the GPU beside the transformer.
    """
    # accelerate has no public way from a model to its hook; a test tells when the private name changes.
    hook = getattr(model, "_hf_hook", None)
    if isinstance(hook, CpuOffload):
        hook.init_hook(model)
