"""An image made anew from its pixels: what is not a pixel, stays behind.

Runs in a worker process: a plain function of bytes, which loads Pillow only when it is called. Metadata (EXIF
and the place it names, comments, XMP) and whatever hides in or behind the file are gone; the orientation is
carried out, colours are brought to sRGB, an animation keeps its frames and their times. Memory is bounded by
the pixels of all frames, which are counted first, without decoding.
"""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hapta.uploads.hidden import HiddenScan
from hapta.uploads.measure import measure

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {
    "image/png": "PNG",
    "image/vnd.mozilla.apng": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
}
"""Types that can be made anew, and Pillow's name for each."""
_KEPT_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
}
_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


class BadImage(ValueError):
    """The image cannot be made anew; the text says why, in words for its owner."""

    def __reduce__(self) -> tuple[type["BadImage"], tuple[str]]:
        return type(self), (str(self),)  # crosses the border between processes


@dataclass(frozen=True, slots=True)
class ReencodeOptions:
    """How.

    Attributes:
        type: what the image is, one of :data:`FORMATS`; nothing else is tried.
        max_pixels: of all frames together.
        max_frames: of an animation.
        quality: of the formats that lose some, 1 to 100.
    """

    type: str
    max_pixels: int
    max_frames: int
    quality: int = 90


def reencode(data: bytes, options: ReencodeOptions) -> bytes:
    """The image made anew, in the same format.

    Raises:
        BadImage: it is broken, too large, or of another type.
    """
    _check_size(data, options)
    from PIL import Image  # a worker pays for it once, the gateway never

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata, which is not kept anyway
        try:
            made = _made_anew(data, options)
        except BadImage:
            raise
        except Image.DecompressionBombError:
            raise BadImage("it has too many pixels") from None
        except Exception as error:
            # decoders meet hostile data with whatever error comes next
            raise BadImage(f"it cannot be decoded ({type(error).__name__})") from None
    scan = HiddenScan()
    scan.feed(made)
    if scan.found is not None:  # pixels and palettes can be chosen so that it stays
        raise BadImage(f"its pixels hold {scan.found}")
    return made


def _check_size(data: bytes, options: ReencodeOptions) -> None:
    if options.type not in FORMATS:
        raise BadImage("images of this type cannot be made anew")
    size = measure(data, options.type)
    if size.problem is not None:
        raise BadImage(size.problem)
    if size.frames > options.max_frames:
        raise BadImage("it has too many frames")
    if size.pixels > options.max_pixels:
        raise BadImage("it has too many pixels")


def _made_anew(data: bytes, options: ReencodeOptions) -> bytes:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = options.max_pixels
    format_ = FORMATS[options.type]
    with Image.open(io.BytesIO(data), formats=(format_,)) as image:
        if image.width * image.height > options.max_pixels:
            raise BadImage("it has too many pixels")
        is_moving = getattr(image, "is_animated", False) and format_ != "JPEG"
        saving = _saving(format_, data, options.quality)
        out = io.BytesIO()
        if is_moving:
            _save_frames(image, format_, options, saving, out)
        else:
            picture = _still(image, format_)
            picture.save(out, format_, **saving, **_transparency(picture, format_))
        return out.getvalue()


def _saving(format_: str, data: bytes, quality: int) -> dict[str, Any]:
    if format_ == "WEBP":
        # made without loss: so is this one
        return {"lossless": True, "quality": 75} if b"VP8 " not in data else {"quality": quality}
    return {"quality": quality} if format_ in ("JPEG", "AVIF") else {}


def _still(image: "Image", format_: str) -> "Image":
    from PIL import ImageOps

    image.load()
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if profile:
        upright = _to_srgb(upright, profile)
    return _bare(upright, format_)


def _bare(image: "Image", format_: str) -> "Image":
    """The pixels alone, in a mode the format takes."""
    kept = _KEPT_MODES.get(format_)
    transparency = image.info.get("transparency")
    if kept is not None and image.mode not in kept:
        has_alpha = image.mode in _WITH_ALPHA or transparency is not None
        image = image.convert("RGBA" if has_alpha and "RGBA" in kept else "RGB")
        transparency = None
    image = image.copy()
    image.info = {} if transparency is None else {"transparency": transparency}
    return image


def _transparency(image: "Image", format_: str) -> dict[str, Any]:
    if format_ in ("PNG", "GIF") and "transparency" in image.info:
        return {"transparency": image.info["transparency"]}
    return {}


def _to_srgb(image: "Image", profile: bytes) -> "Image":
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        colours = image.convert("RGB") if image.mode in ("RGBA", "P") else image
        target = ImageCms.createProfile("sRGB")
        brought = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # no profile, or none of these colours: they stay as they are
    assert brought is not None
    if alpha is not None:
        brought.putalpha(alpha)
    return brought


def _save_frames(
    image: "Image", format_: str, options: ReencodeOptions, saving: dict[str, Any], out: io.BytesIO
) -> None:
    durations: list[float] = []
    frames = _frames(image, options, durations)
    first = next(frames)
    rest = list(frames)
    moving: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": durations}
    if (loop := image.info.get("loop")) is not None:
        moving["loop"] = loop
    if format_ == "GIF":
        moving["disposal"] = 2  # each frame is whole, so nothing of the one before may shine through
    first.save(out, format_, **saving, **moving)


def _frames(image: "Image", options: ReencodeOptions, durations: list[float]) -> Iterator["Image"]:
    """Each frame as it is seen, whole."""
    from PIL import ImageOps, ImageSequence

    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        if number > options.max_frames:
            raise BadImage("it has too many frames")
        if frame.width * frame.height * number > options.max_pixels:
            raise BadImage("it has too many pixels")
        upright = ImageOps.exif_transpose(frame)
        durations.append(frame.info.get("duration") or 0)  # known once it is loaded
        has_alpha = "A" in frame.getbands() or "transparency" in frame.info
        whole = upright.convert("RGBA" if has_alpha else "RGB")
        whole.info = {}
        yield whole
