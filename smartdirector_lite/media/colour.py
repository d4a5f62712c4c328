"""Colours of videos that a plain screen can't show, brought to sRGB: HDR (PQ and HLG) and wide gamuts.

Sources: ITU-R BT.2100 (PQ, HLG), BT.2390 section 5.4 (tone mapping), BT.2408 (HDR's diffuse white is 203 cd/m2).
"""

from functools import cache

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

WHITE = 203.0  # cd/m2 of diffuse white in HDR, which becomes the white of SDR
PEAK = 1000.0  # cd/m2; what is brighter becomes white. It is HLG's nominal peak, and that of most PQ films
HLG_GAMMA = 1.2  # of a screen of 1,000 cd/m2
LEVELS = 65_536  # of a 16-bit value, and of every table here
BLOCK = 64  # rows that are converted at once, so that they stay in the processor's cache
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
TO_709 = {  # linear RGB of other primaries, as a column, to linear RGB of BT.709
    ColorPrimaries.BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    ColorPrimaries.SMPTE431: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0196, -0.0786, 1.0982]],
    ColorPrimaries.SMPTE432: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0196, -0.0786, 1.0982]],
}
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG


def is_wide(transfer: int, primaries: int) -> bool:
    """Whether `to_srgb` would change a video that states this transfer function and these primaries."""
    return transfer in HDR or primaries in TO_709


def to_srgb(pixels: NDArray, transfer: int, primaries: int) -> NDArray:
    """Convert HDR or wide-gamut pixels to sRGB. Colours outside of its gamut are clipped.

    Args:
        pixels: (H, W, 3) uint16 RGB, as coded.
        transfer, primaries: as FFmpeg numbers them.

    Returns:
        (H, W, 3) uint8.
    """
    result = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), BLOCK):
        result[top : top + BLOCK] = _block_to_srgb(pixels[top : top + BLOCK], transfer, primaries)
    return result


def _block_to_srgb(pixels: NDArray, transfer: int, primaries: int) -> NDArray:
    linear = _linear(transfer)[pixels]
    if transfer == ColorTrc.ARIB_STD_B67:  # from light in the scene to light on the screen
        linear *= PEAK / WHITE * (linear @ LUMA_2020)[..., None] ** (HLG_GAMMA - 1)
    if transfer in HDR:
        brightest = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
        place = np.sqrt(brightest * (WHITE / PEAK)).clip(0, 1) * (LEVELS - 1)
        linear *= _dimming()[place.astype(np.uint16)][..., None]
    if primaries in TO_709:
        linear = linear @ np.array(TO_709[primaries], np.float32).T
    return _srgb()[(linear.clip(0, 1) * (LEVELS - 1) + 0.5).astype(np.uint16)]


@cache
def _linear(transfer: int) -> NDArray:
    """Light for each value: 1 is diffuse white, or for HLG the brightest that a scene may hold."""
    value = np.linspace(0, 1, LEVELS)
    if transfer == ColorTrc.SMPTE2084:
        light = pq_light(value) / WHITE
    elif transfer == ColorTrc.ARIB_STD_B67:
        light = hlg_light(value)
    else:  # SDR: screens show the curves of sRGB, BT.709 and gamma 2.2 alike
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def _dimming() -> NDArray:
    """The factor that tone mapping has for light of (i / (LEVELS - 1))**2 of PEAK."""
    light = np.linspace(1e-6, 1, LEVELS) ** 2 * PEAK
    return (tone_mapped(light) / light).astype(np.float32)


@cache
def _srgb() -> NDArray:
    """The sRGB value, uint8, of linear light."""
    light = np.linspace(0, 1, LEVELS)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * value).astype(np.uint8)


def tone_mapped(light: NDArray) -> NDArray:
    """Bring light from 0 to PEAK into 0 to WHITE, in cd/m2: as it is where dark, bent where bright (BT.2390)."""
    value, most = pq_value(light) / pq_value(PEAK), pq_value(WHITE) / pq_value(PEAK)
    knee = 1.5 * most - 0.5
    t = (value - knee).clip(0) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_light(np.where(value < knee, value, bent) * pq_value(PEAK))


def pq_light(value: NDArray | float) -> NDArray:
    """Light in cd/m2 of a PQ value from 0 to 1 (BT.2100, table 4)."""
    root = np.power(value, 32 / 2523)
    return 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305)


def pq_value(light: NDArray | float) -> NDArray:
    """The PQ value, from 0 to 1, of light in cd/m2."""
    root = np.power(np.divide(light, 10_000), 1305 / 8192)
    return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** (2523 / 32)


def hlg_light(value: NDArray) -> NDArray:
    """Light in the scene, from 0 to 1, of an HLG value from 0 to 1 (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
