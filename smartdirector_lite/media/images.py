"""Images in and out with Pillow: RGB, upright, of a checked size."""

import numpy as np
from PIL import Image, ImageOps

from .files import MediaError, PathLike, atomic_path, check_file, one_line

MAX_IMAGE_PIXELS = 64_000_000  # one image, width x height
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


def to_image(image: Image.Image | np.ndarray) -> Image.Image:
    """A PIL image of any mode, or an (H, W, 3) uint8 array, as an RGB PIL image; transparency is laid over white."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise MediaError(f"an image must be a uint8 array (height, width, 3), got {image.dtype} {image.shape}")
        return Image.fromarray(image)
    if image.mode == "F" or image.mode.startswith("I"):
        raise MediaError(f"images of mode {image.mode} (16 or 32 bits a pixel) are not read; save it with 8 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def cover_crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale (Lanczos) and crop around the centre, so that the image fills `size` (width, height) undistorted."""
    return image if image.size == tuple(size) else ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def crop_note(name: str, given: tuple[int, int], size: tuple[int, int]) -> str | None:
    """A sentence on what `cover_crop` cuts off, sizes as (width, height); None where the shape is the same."""
    if abs(given[0] * size[1] - given[1] * size[0]) <= 0.01 * given[0] * size[1]:
        return None
    return f"{name} is {given[0]} x {given[1]}: its middle was cut out, in the shape of {size[0]} x {size[1]}"


def read_image(path: PathLike, size: tuple[int, int] | None = None) -> Image.Image:
    """Read an image (the first, of an animation) as RGB, turned upright by its EXIF tag, and cover-cropped to `size`.

    MediaError if it is missing, not one of IMAGE_FORMATS, damaged, or over MAX_IMAGE_PIXELS (seen before decoding).
    """
    check_file(path)
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise MediaError(f"{path}: {image.width} x {image.height} pixels, over {MAX_IMAGE_PIXELS}; shrink it")
            upright = to_image(ImageOps.exif_transpose(image))
    except MediaError as error:
        raise error if str(path) in str(error) else MediaError(f"{path}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(f"{path}: more than {MAX_IMAGE_PIXELS} pixels; shrink it") from error
    except Image.UnidentifiedImageError as error:
        raise MediaError(f"{path}: not an image that can be read ({', '.join(IMAGE_FORMATS)})") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise MediaError(f"{path}: damaged image ({one_line(error)})") from error
    return upright if size is None else cover_crop(upright, size)


def write_image(path: PathLike, image: Image.Image | np.ndarray) -> None:
    """Write a PIL image or an (H, W, 3) uint8 array; the format follows from the name (.png, .jpg, .webp)."""
    with atomic_path(path) as temporary:
        try:
            to_image(image).save(temporary)
        except (OSError, KeyError) as error:
            raise MediaError(f"{path}: can't write this image ({error})") from error
        except ValueError as error:
            raise MediaError(f"{path}: unknown image format; end the name in .png, .jpg or .webp") from error
