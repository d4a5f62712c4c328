"""Images are read and written here with Pillow: RGB, upright, of a checked size."""

import contextlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from .files import MediaError, PathLike, atomic_path, check_file, one_line
from .size import Size

MAX_IMAGE_PIXELS = 64_000_000  # width x height of one image
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


def check_pixels(name: str, pixels: object) -> None:
    """Raise a MediaError that begins with `name` unless `pixels` is an (H, W, 3) uint8 array."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise MediaError(f"{name} must be a uint8 array (height, width, 3), got {found}")


def to_image(image: Image.Image | np.ndarray) -> Image.Image:
    """Make an RGB PIL image of a PIL image of any mode or of an (H, W, 3) uint8 array. Transparency turns white."""
    if not isinstance(image, Image.Image):
        check_pixels("an image", image)
        return Image.fromarray(image)
    check_image(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


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
    """Raise a MediaError unless the image can be read, as far as its header tells. No pixel is decoded.

    Args:
        image: a file or a PIL image.
    """
    if not isinstance(image, Image.Image):
        with _open_image(image):
            return
    if image.mode == "F" or image.mode.startswith("I"):
        raise MediaError(f"images of mode {image.mode} (16 or 32 bits a pixel) are not read; save it with 8 bits")


@contextlib.contextmanager
def _open_image(path: PathLike) -> Iterator[Image.Image]:
    """The opened file, of which only the header has been read and checked. Every failure becomes a MediaError."""
    check_file(path)
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise MediaError(f"{image.width} x {image.height} pixels, over {MAX_IMAGE_PIXELS}; shrink it")
            check_image(image)
            yield image
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(f"{path}: more than {MAX_IMAGE_PIXELS} pixels; shrink it") from error
    except Image.UnidentifiedImageError as error:
        raise MediaError(f"{path}: not an image that can be read ({', '.join(IMAGE_FORMATS)})") from error
    except Exception as error:  # Pillow's decoders raise nearly any error at a damaged file
        raise MediaError(f"{path}: damaged image ({one_line(error)})") from error


def read_image(path: PathLike, size: Size | None = None) -> Image.Image:
    """Read an image as RGB, turned upright by its EXIF tag and cover-cropped to `size`.

    Of an animation, the first image is read.

    Raises:
        MediaError: the file is missing, damaged, none of IMAGE_FORMATS, or over MAX_IMAGE_PIXELS. The last is found
            before any pixel is decoded.
    """
    with _open_image(path) as image:
        upright = to_image(ImageOps.exif_transpose(image))
    return upright if size is None else cover_crop(upright, size)


def write_image(path: PathLike, image: Image.Image | np.ndarray) -> None:
    """Write a PIL image or an (H, W, 3) uint8 array. The format follows from the name (.png, .jpg, .webp)."""
    with atomic_path(path) as temporary:
        try:
            to_image(image).save(temporary)
        except (KeyError, ValueError) as error:
            raise MediaError(f"{path}: unknown image format; end the name in .png, .jpg or .webp") from error
