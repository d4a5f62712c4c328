"""Images are read and written here with Pillow: RGB in the sRGB colours, upright, of a checked size."""

import contextlib
import io
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from .files import MediaError, PathLike, atomic_path, check_file, one_line
from .size import Size

MAX_IMAGE_PIXELS = 64_000_000  # width x height of one image
MAX_PNG_TEXT = 64_000_000  # bytes of a PNG's text or colour profile; Pillow's own limit is one million
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM")
PAGE_KIND, WHITE_IS, DNG_VERSION = 254, 262, 50706  # TIFF's tags: 1 for a thumbnail; 0 where 0 is white; of raw photos
DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes for grey of 16 bits
OTHER_FILES = {  # what people take for a picture that can be read, by how its first bytes look
    rb".{4}ftyp(heic|heix|heim|heis|hevc|mif1|msf1)": "is a HEIC photo; export it as JPEG (phones do so when sharing)",
    rb".{4}(ftyp|moov|wide|mdat)|\x1a\x45\xdf\xa3|RIFF.{4}AVI ": "is a video; place it as a clip",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "is a JPEG XL picture; save it as JPEG or PNG",
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg": "is an SVG drawing; export it as PNG",
    rb"\s*<(!doctype html|html)": "is a web page; save the picture itself",
    rb"version https://git-lfs": "is a pointer of Git LFS; fetch the picture with: git lfs pull",
    rb"%PDF": "is a PDF; export the page as PNG",
    rb"$": "is empty",
}


def check_pixels(name: str, pixels: object) -> None:
    """Raise a MediaError that begins with `name` unless `pixels` is an (H, W, 3) uint8 array."""
    shape = pixels.shape if isinstance(pixels, np.ndarray) else ()
    if len(shape) != 3 or pixels.dtype != np.uint8 or shape[2] != 3 or not pixels.size:
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise MediaError(f"{name} must be a uint8 array (height, width, 3), got {found}")


def to_image(image: Image.Image | np.ndarray) -> Image.Image:
    """Make an upright RGB PIL image in sRGB of a PIL image of any kind or of an (H, W, 3) uint8 array.

    The orientation of the image's EXIF data is applied, its colour profile is converted to sRGB, and transparency turns
    white. A profile that can't be read, or is not for this kind of image, is ignored, as browsers do.

    Raises:
        MediaError: for an image that can't be decoded, is over MAX_IMAGE_PIXELS, or has 32 bits a value.
    """
    if not isinstance(image, Image.Image):
        check_pixels("an image", image)
        return Image.fromarray(image)
    check_image(image)
    if image.format == "PPM" and image.mode == "I":  # Pillow's way to hold its 16 bits
        image = Image.fromarray(np.asarray(image).astype(np.uint16))
    elif image.mode in DEEP_GREY and getattr(image, "tag_v2", {}).get(WHITE_IS) == 0:  # Pillow inverts 8 bits only
        image = Image.fromarray(65535 - np.asarray(image, np.uint16))
    with contextlib.suppress(Exception):  # what Pillow raises at damaged EXIF data, which says nothing then
        image = ImageOps.exif_transpose(image)
    try:
        image = _in_srgb(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")
    except ValueError as error:  # of a mode that Pillow can hold and not convert
        raise MediaError(f"images of mode {image.mode} are not read; convert it to RGB") from error


def _in_srgb(image: Image.Image) -> Image.Image:
    """The image in 8 bits a value, its colour profile applied and then forgotten, so that nothing applies it again."""
    if image.mode in DEEP_GREY:
        deep, image = image, Image.fromarray((np.asarray(image, np.uint16) >> 8).astype(np.uint8))
        image.info = deep.info
    if "icc_profile" not in image.info:
        return image
    if image.mode in ("P", "PA", "LA"):  # the profiles are those of the colours that these stand for
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image, profile = image.copy(), image.info["icc_profile"]
    del image.info["icc_profile"]
    with contextlib.suppress(ImageCms.PyCMSError, OSError, TypeError):  # damaged, or for another kind of image
        profile, mode = ImageCms.ImageCmsProfile(io.BytesIO(profile)), "RGBA" if image.mode == "RGBA" else "RGB"
        image = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode=mode)
    return image


def cover_crop(image: Image.Image, size: Size) -> Image.Image:
    """Scale the image (Lanczos) and crop it around its centre, so that it fills `size` undistorted."""
    return image if image.size == tuple(size) else ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def crop_note(name: str, given: Size, size: Size) -> str | None:
    """A sentence that says what `cover_crop` to `size` cuts off a picture of the size `given`.

    Returns:
        None where both have the same shape, within a hundredth.
    """
    if abs(given.width * size.height - given.height * size.width) <= 0.01 * given.width * size.height:
        return None
    shape = f"{size.width} x {size.height}"
    return f"{name} is {given.width} x {given.height}: its middle was cut out, in the shape of {shape}"


def check_image(image: PathLike | Image.Image) -> None:
    """Raise a MediaError unless an image can be read: of a file as far as its header tells, of a PIL image wholly.

    Args:
        image: a file, of which no pixel is decoded, or a PIL image, which is decoded if it was only opened so far.
    """
    if not isinstance(image, Image.Image):
        with _open_image(image):
            return
    _check_header(image)
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise nearly any error at a damaged file
        raise MediaError(f"damaged image, or closed before it was read ({one_line(error)})") from error


def _check_header(image: Image.Image) -> None:
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise MediaError(f"{image.width} x {image.height} pixels, over {MAX_IMAGE_PIXELS}; shrink it")
    if not image.width * image.height:
        raise MediaError(f"{image.width} x {image.height} pixels; give an image that has some")
    tags = getattr(image, "tag_v2", {})
    if DNG_VERSION in tags:
        raise MediaError("is a raw photo (DNG); export it as JPEG")
    if tags.get(PAGE_KIND, 0) & 1:
        raise MediaError("its first page is a thumbnail, as in raw photos; export it as JPEG")
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        kind = f"images of mode {image.mode} (signed, or 32 bits a value)"
        raise MediaError(f"{kind} are not read; save it with 8 or 16 bits")


@contextlib.contextmanager
def _open_image(path: PathLike) -> Iterator[Image.Image]:
    """The opened file, of which only the header has been read and checked. Every failure becomes a MediaError."""
    check_file(path)
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, MAX_PNG_TEXT)
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            _check_header(image)
            yield image
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(f"{path}: more than {MAX_IMAGE_PIXELS} pixels; shrink it") from error
    except Image.UnidentifiedImageError as error:
        raise MediaError(f"{path}: {_what_it_is(path)}") from error
    except Exception as error:  # Pillow's decoders raise nearly any error at a damaged file
        raise MediaError(f"{path}: damaged image ({one_line(error)})") from error


def _what_it_is(path: PathLike) -> str:
    """Why Pillow knows no image in this file, and what to do."""
    with open(path, "rb") as file:
        start = file.read(1000)
    for pattern, words in OTHER_FILES.items():
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            return words
    return f"not an image that can be read ({', '.join(IMAGE_FORMATS)}); save it as JPEG or PNG"


def read_image(path: PathLike, size: Size | None = None) -> Image.Image:
    """Read an image as `to_image` makes it, cover-cropped to `size`.

    Of an animation or of several pages, the first image is read.

    Raises:
        MediaError: the file is missing, damaged, none of IMAGE_FORMATS, or over MAX_IMAGE_PIXELS. The last is found
            before any pixel is decoded.
    """
    with _open_image(path) as image:
        upright = to_image(image)
    return upright if size is None else cover_crop(upright, size)


def write_image(path: PathLike, image: Image.Image | np.ndarray) -> None:
    """Write a PIL image or an (H, W, 3) uint8 array. The format follows from the name (.png, .jpg, .webp)."""
    with atomic_path(path) as temporary:
        try:
            to_image(image).save(temporary)
        except (KeyError, ValueError) as error:
            raise MediaError(f"{path}: unknown image format; end the name in .png, .jpg or .webp") from error
