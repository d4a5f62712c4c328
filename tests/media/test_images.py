"""Images: whatever people bring is read in its true colours and upright, or one clear line says why it is not."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from decodes import count_decodes
from PIL import Image, ImageCms, PngImagePlugin

from smartdirector_lite import media
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.media import MediaError

P3_COLOURANTS = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]  # XYZ at D50
SRGB_COLOURANTS = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]


def profile_of(colourants: list[tuple[float, float, float]]) -> bytes:
    """A colour profile (ICC, version 4) of these primaries, as X, Y, Z at the white D50, with sRGB's curve."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    text = b"mluc" + bytes(4) + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, 2, 28) + "t".encode("utf-16-be")
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)
    tags = [(b"desc", text), (b"cprt", text), (b"wtpt", white)]
    tags += [(name, b"XYZ " + bytes(4) + fixed(*xyz)) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colourants)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags:
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    head = bytes(4) + struct.pack(">I", 0x04300000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head = head + fixed(0.9642, 1.0, 0.8249) + bytes(48)
    return struct.pack(">I", start + len(data)) + head + struct.pack(">I", len(tags)) + table + data


def p3_in_srgb(colour: tuple[int, int, int]) -> tuple[int, ...]:
    """What a colour of Display P3 is in sRGB, by the closed form."""
    encoded = np.array(colour) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = np.linalg.solve(np.array(SRGB_COLOURANTS).T, np.array(P3_COLOURANTS).T @ linear).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple((255 * encoded).round().astype(int).tolist())


P3 = profile_of(P3_COLOURANTS)


def test_read_image_turns_flattens_and_crops(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert media.read_image(tmp_path / "turned.jpg").size == (20, 40)
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert media.read_image(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    middle = media.read_image(tmp_path / "wide.png", size=(10, 10))
    assert middle.size == (10, 10) and middle.getpixel((5, 5)) == (0, 0, 255)
    assert media.cover_crop(wide, (90, 30)) is wide


def png_claiming(width: int, height: int) -> bytes:
    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(b"")) + block(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_read_image_errors(tmp_path: Path) -> None:
    for side in (8_001, 10_000, 60_000):  # over our limit, over Pillow's warning, over Pillow's own limit
        (tmp_path / "bomb.png").write_bytes(png_claiming(side, side))
        with pytest.raises(MediaError, match=r"bomb.png: .*pixels.*shrink it"):
            media.read_image(tmp_path / "bomb.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "webp"):
        media.write_image(tmp_path / f"whole.{suffix}", noise)
        data = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
        with pytest.raises(MediaError, match=rf"cut.{suffix}: (damaged image|not an image)"):
            media.read_image(tmp_path / f"cut.{suffix}")
    (tmp_path / "page.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(MediaError, match=r"page.png: not an image that can be read \(PNG"):
        media.read_image(tmp_path / "page.png")
    Image.new("F", (4, 4)).save(tmp_path / "deep.tiff")
    with pytest.raises(MediaError, match=r"deep.tiff: images of mode F \(signed, or 32 bits a value\) are not read"):
        media.read_image(tmp_path / "deep.tiff")
    with pytest.raises(MediaError, match="is a folder; give a file"):
        media.read_image(tmp_path)


def test_check_image_reads_only_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "webp", "gif", "bmp", "tiff", "ppm", "avif"):
        Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    seen = count_decodes(monkeypatch)
    for path in tmp_path.iterdir():
        media.check_image(path)
    media.check_image(Image.new("RGB", (2, 2)))
    assert seen.pictures == []
    (tmp_path / "bomb.png").write_bytes(png_claiming(8_001, 8_001))
    with pytest.raises(MediaError, match=r"bomb.png: 8001 x 8001 pixels, over 64000000; shrink it"):
        media.check_image(tmp_path / "bomb.png")
    with pytest.raises(MediaError, match=r"^images of mode F"):
        media.check_image(Image.new("F", (2, 2)))



def turned_photo(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """A photo as phones write one that was held upright: it lies on its side, and EXIF says 6. Its top is red."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image.save(buffer, "JPEG", exif=exif, quality=95)
    return Image.open(buffer)


def test_a_photo_in_memory_is_as_upright_as_its_file(tmp_path: Path) -> None:
    photo = turned_photo()
    (tmp_path / "phone.jpg").write_bytes(photo.fp.getvalue())
    from_file = np.asarray(media.read_image(tmp_path / "phone.jpg"))
    assert from_file.shape == (40, 20, 3)
    assert from_file[5, 5, 0] > 200 and from_file[35, 5, 0] < 50
    for _ in range(2):  # and what was turned once is not turned again
        photo = media.to_image(photo)
        assert np.array_equal(np.asarray(photo), from_file)
    shown = VideoCondition(image=turned_photo()).to_tensor(media.Size(20, 40))
    assert np.array_equal(((shown[0, :, 0].permute(1, 2, 0).numpy() + 1) * 127.5).round(), from_file)
    media.write_image(tmp_path / "again.png", turned_photo())
    assert media.read_image(tmp_path / "again.png").size == (20, 40)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_colour_profiles_are_converted_once(tmp_path: Path, kind: str) -> None:
    assert p3_in_srgb((200, 60, 40)) == (217, 42, 23)
    image, options = Image.new("RGB", (16, 16), (200, 60, 40)), {} if kind in ("PNG", "TIFF") else {"quality": 100}
    image.save(tmp_path / "p3", kind, icc_profile=P3, **options)
    read = media.read_image(tmp_path / "p3")
    assert np.abs(np.array(read.getpixel((8, 8))) - (217, 42, 23)).max() <= (1 if kind in ("PNG", "TIFF") else 3)
    assert media.to_image(read).getpixel((8, 8)) == read.getpixel((8, 8))
    media.write_image(tmp_path / "copy.png", read)
    assert media.read_image(tmp_path / "copy.png").getpixel((8, 8)) == read.getpixel((8, 8))


def test_colour_profiles_of_other_kinds_of_images(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (200, 60, 40, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 4, 8))
    clear.save(tmp_path / "clear.png", icc_profile=P3)
    read = media.read_image(tmp_path / "clear.png")
    assert read.getpixel((1, 1)) == (255, 255, 255)
    assert read.getpixel((6, 6)) == pytest.approx((217, 42, 23), abs=1)
    Image.new("RGB", (8, 8), (200, 60, 40)).quantize(2).save(tmp_path / "few.png", icc_profile=P3)
    assert media.read_image(tmp_path / "few.png").getpixel((1, 1)) == pytest.approx((217, 42, 23), abs=1)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / "srgb.png", icc_profile=srgb)
    assert np.array_equal(media.read_image(tmp_path / "srgb.png"), noise)
    for name, mode, profile in (("damaged", "RGB", P3[:200]), ("other", "L", P3), ("ink", "CMYK", P3)):
        image = Image.new("RGB", (8, 8), (200, 60, 40)).convert(mode)
        image.save(tmp_path / f"{name}.tiff", icc_profile=profile)  # as browsers, which then take sRGB
        assert media.read_image(tmp_path / f"{name}.tiff").getpixel((1, 1)) == image.convert("RGB").getpixel((1, 1))


@pytest.mark.parametrize(("suffix", "mode"), [("png", "I;16"), ("tiff", "I;16"), ("tiff", "I;16B")])
def test_grey_of_16_bits_keeps_its_brightness(tmp_path: Path, suffix: str, mode: str) -> None:
    levels = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    deep = Image.fromarray(levels)
    if mode == "I;16B":
        deep = Image.frombytes(mode, (64, 64), levels.astype(">u2").tobytes())
    deep.save(tmp_path / f"deep.{suffix}")
    for image in (media.read_image(tmp_path / f"deep.{suffix}"), media.to_image(deep)):
        assert np.abs(np.asarray(image)[..., 0] * 257.0 - levels).max() <= 257


def png_with(kind: bytes, data: bytes) -> bytes:
    """A red PNG with one more chunk after its header."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    whole, chunk = buffer.getvalue(), struct.pack(">I", len(data)) + kind + data
    return whole[:33] + chunk + struct.pack(">I", zlib.crc32(kind + data)) + whole[33:]


def test_large_texts_and_profiles_in_a_png_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 1024 * 1024)  # Pillow's default
    large = zlib.compress(np.random.default_rng(0).bytes(2_000_000))
    chunks = {
        "drawing.png": (b"iTXt", b"xmp\0\x01\0\0\0" + large),
        "comment.png": (b"zTXt", b"comment\0\0" + large),
        "profile.png": (b"iCCP", b"printer\0\0" + large),
        "plain.png": (b"tEXt", b"comment\0" + b"x" * 2_000_000),
    }
    for name, (kind, data) in chunks.items():
        (tmp_path / name).write_bytes(png_with(kind, data))
        assert media.read_image(tmp_path / name).getpixel((1, 1)) == (255, 0, 0)
    bomb = zlib.compress(bytes(80_000_000))
    (tmp_path / "bomb.png").write_bytes(png_with(b"zTXt", b"comment\0\0" + bomb))
    with pytest.raises(MediaError, match=r"bomb.png: .*[Dd]ecompressed data too large"):
        media.read_image(tmp_path / "bomb.png")


def test_photos_of_several_pictures_and_animations_give_the_first(tmp_path: Path) -> None:
    for kind in ("MPO", "GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
        first.save(tmp_path / "several", kind, save_all=True, append_images=[second])
        red, _, blue = media.read_image(tmp_path / "several").getpixel((8, 8))
        assert red > 240 and blue < 15, kind


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC photo; export it as JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "is a HEIC photo"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "is a video; place it as a clip"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "is a video"),
        (b"\xff\x0a\xfa\x1f", "is a JPEG XL picture; save it as JPEG or PNG"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg xmlns='x'>", "is an SVG drawing; export it as PNG"),
        (b"<!DOCTYPE html><html>", "is a web page; save the picture itself"),
        (b"%PDF-1.7", "is a PDF"),
        (b"", "is empty"),
        (b"hello", r"not an image that can be read \(PNG, JPEG, .*\); save it as JPEG or PNG"),
    ],
)
def test_files_that_are_no_picture_are_refused_for_their_true_reason(tmp_path: Path, start: bytes, words: str) -> None:
    (tmp_path / "a.png").write_bytes(start)
    with pytest.raises(MediaError, match=f"a.png: {words}"):
        media.check_image(tmp_path / "a.png")


def test_pictures_in_memory_that_can_not_be_decoded(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"damaged image, or closed before it was read \(image file is truncated"):
        media.check_image(Image.open(tmp_path / "cut.jpg"))
    with Image.open(tmp_path / "whole.jpg") as closed:
        pass
    with pytest.raises(MediaError, match="damaged image, or closed before it was read"):
        media.to_image(closed)
    with pytest.raises(MediaError, match="0 x 5 pixels"):
        media.to_image(Image.new("RGB", (0, 5)))
    with pytest.raises(MediaError, match="an image must be a uint8 array"):
        media.to_image(np.zeros((4, 4), np.uint8))


def test_pages_of_a_tiff_that_are_not_the_picture(tmp_path: Path) -> None:
    small, large = Image.new("RGB", (16, 8), "red"), Image.new("RGB", (400, 200), "blue")
    small.save(tmp_path / "thumbnail.tif", tiffinfo={254: 1}, save_all=True, append_images=[large])
    with pytest.raises(MediaError, match=r"thumbnail\.tif: its first page is a thumbnail, as in raw photos"):
        media.read_image(tmp_path / "thumbnail.tif")
    small.save(tmp_path / "phone.dng", "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(MediaError, match=r"phone\.dng: is a raw photo \(DNG\); export it as JPEG"):
        media.read_image(tmp_path / "phone.dng")


def test_deep_grey_of_other_formats(tmp_path: Path) -> None:
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">HH", 60000, 100))
    assert np.asarray(media.read_image(tmp_path / "deep.pgm"))[0, :, 0].tolist() == [234, 0]
    Image.fromarray(np.full((4, 4), 60000, np.uint16)).save(tmp_path / "negative.tif", tiffinfo={262: 0})
    assert media.read_image(tmp_path / "negative.tif").getpixel((0, 0)) == (21, 21, 21)
    with pytest.raises(MediaError, match="images of mode La are not read; convert it to RGB"):
        media.to_image(Image.new("La", (4, 4)))
    with pytest.raises(MediaError, match=r"an image must be a uint8 array .*, got uint8 \(0, 8, 3\)"):
        media.to_image(np.zeros((0, 8, 3), np.uint8))
