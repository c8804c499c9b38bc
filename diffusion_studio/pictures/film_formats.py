"""The files a film can be: written frame by frame, so that memory holds one frame however long the film is.

APNG, WebP and GIF are put together here from single pictures as Pillow encodes them; MP4 is PyAV's.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures.embedding import exif_options, png_options

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MP4_MISSING = tr(
    "An MP4 film needs the package “av” (PyAV), which is not installed; install it with: pip install av. "
    "PNG, WebP and GIF need nothing more."
)
COLOURS = 256  # of one frame of a GIF, which has a table of its own
BEST = "14"  # quality of MP4 (crf): hardly distinguishable from the image
CODECS = ("libx264", "h264", "libopenh264", "mpeg4")


class FilmWriter:
    """`add` each frame with the moments it stays, in the order of `ticks`, then `finish`. `rate`: moments a second.

    `alpha`: frames have four channels. APNG and WebP keep them, GIF only whether a pixel is seen at all, MP4 has white there.
    """

    longest_side = 65_535

    def __init__(
        self,
        file: BinaryIO,
        size: tuple[int, int],
        ticks: Sequence[int],
        rate: int,
        line: str,
        own: str,
        *,
        alpha: bool = False,
    ) -> None:
        self.alpha = alpha
        self.file, self.size, self.ticks, self.rate, self.line, self.own = file, size, ticks, rate, line, own
        self.shown = 0  # moments so far
        self.begin()

    def begin(self) -> None: ...

    def add(self, pixels: np.ndarray, ticks: int) -> None:
        """(H, W, 3) uint8, or 4 with alpha."""
        raise NotImplementedError

    def finish(self) -> None: ...

    def lasts(self, ticks: int, units: int) -> int:
        """How many `units` a second a frame stays, so that rounding never adds up."""
        before, self.shown = self.shown, self.shown + ticks
        return round(self.shown * units / self.rate) - round(before * units / self.rate)


class Apng(FilmWriter):
    """APNG 1.0. Viewers that know no animation show the first picture of the file, which is the film's last frame."""

    poster: np.ndarray | None = None

    def begin(self) -> None:
        self._sequence = 0
        self.file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *self.size, 8, 6 if self.alpha else 2, 0, 0, 0))
        self._chunk(b"acTL", struct.pack(">II", len(self.ticks), 0))
        for kind, data, *_ in png_options(self.line, self.own)["pnginfo"].chunks:
            self._chunk(kind, data)

    def show_still(self, pixels: np.ndarray) -> None:
        """What is shown in place of the film where it cannot be played; before the first frame."""
        self._chunk(b"IDAT", _idat(pixels))

    def add(self, pixels: np.ndarray, ticks: int) -> None:
        place = (*self.size, 0, 0, ticks, self.rate, 0, 0)
        self._chunk(b"fcTL", struct.pack(">IIIIIHHBB", self._next(), *place))
        self._chunk(b"fdAT", struct.pack(">I", self._next()) + _idat(pixels))

    def finish(self) -> None:
        self._chunk(b"IEND", b"")

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self.file.write(struct.pack(">I", len(data)) + kind + data)
        self.file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


class WebP(FilmWriter):
    """Animated lossless WebP (RFC 9649)."""

    longest_side = 16_383

    def begin(self) -> None:
        self._start = self.file.tell()
        self.file.write(b"RIFF\0\0\0\0WEBP")
        width, height = self.size
        animated, with_exif, with_alpha = 0x02, 0x08, 0x10 if self.alpha else 0
        self._chunk(
            b"VP8X",
            struct.pack("<I", animated | with_exif | with_alpha) + _three(width - 1) + _three(height - 1),
        )
        self._chunk(b"ANIM", struct.pack("<IH", 0 if self.alpha else 0xFFFFFFFF, 0))

    def add(self, pixels: np.ndarray, ticks: int) -> None:
        still = io.BytesIO()
        _image(pixels).save(still, "WEBP", lossless=True, quality=60, method=3, exact=self.alpha)
        width, height = self.size
        place = _three(0) * 2 + _three(width - 1) + _three(height - 1)
        replace = b"\x02"  # do not blend with the frame before
        stream = _riff_chunk(still.getvalue(), b"VP8L")
        self._chunk(b"ANMF", place + _three(self.lasts(ticks, 1000)) + replace + stream)

    def finish(self) -> None:
        exif: bytes = exif_options(self.line, self.own)["exif"]
        self._chunk(b"EXIF", exif.removeprefix(b"Exif\0\0"))
        end = self.file.tell()
        self.file.seek(self._start + 4)
        self.file.write(struct.pack("<I", end - self._start - 8))
        self.file.seek(end)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self.file.write(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


class Gif(FilmWriter):
    """GIF 89a, each frame with the 256 colours that suit it best."""

    def begin(self) -> None:
        self.file.write(b"GIF89a" + struct.pack("<HHBBB", *self.size, 0, 0, 0))
        self.file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # without end
        comment = self.line.strip().encode("utf-8")[:4000]
        blocks = [comment[at : at + 255] for at in range(0, len(comment), 255)]
        self.file.write(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")

    def add(self, pixels: np.ndarray, ticks: int) -> None:
        import numpy as np
        from PIL import GifImagePlugin, Image

        from diffusion_studio.pictures.channels import HALF

        colours = _image(pixels[..., :3])
        about: dict[str, Any] = {"duration": 10 * self.lasts(ticks, 100), "include_color_table": True}
        if self.alpha:  # the last colour is nothing, and each frame begins on nothing
            frame = colours.quantize(COLOURS - 1, dither=Image.Dither.NONE)
            frame.paste(COLOURS - 1, mask=_image(255 * (pixels[..., 3] < HALF).astype(np.uint8)))
            about |= {"transparency": COLOURS - 1, "disposal": 2}
        else:
            frame = colours.quantize(COLOURS, dither=Image.Dither.NONE)
        for part in GifImagePlugin.getdata(frame, **about):
            self.file.write(part)

    def finish(self) -> None:
        self.file.write(b";")


class Mp4(FilmWriter):
    """H.264 in MP4, as far as PyAV's build has it, else MPEG-4; its sides are even, as that wants them."""

    longest_side = 8_192

    def begin(self) -> None:
        import av

        self._container = av.open(self.file, mode="w", format="mp4")
        self._container.metadata["comment"] = self.line.strip()
        self._stream: Any = self._container.add_stream(_codec(), rate=self.rate)
        self._stream.width, self._stream.height = (side + side % 2 for side in self.size)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": BEST}

    def add(self, pixels: np.ndarray, ticks: int) -> None:
        import av
        import numpy as np

        from diffusion_studio.pictures.channels import on_white

        pixels = on_white(pixels)
        (width, height), (right, below) = self.size, (side % 2 for side in self.size)
        if right or below:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        for _ in range(ticks):
            frame.pts, self.shown = self.shown, self.shown + 1
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


WRITERS: dict[str, type[FilmWriter]] = {
    ".png": Apng,
    ".apng": Apng,
    ".webp": WebP,
    ".gif": Gif,
    ".mp4": Mp4,
}


def has_mp4() -> bool:
    return importlib.util.find_spec("av") is not None


def writer_for(ending: str) -> type[FilmWriter]:
    """What writes a film with this ending of its name. Raises `UserError` where nothing can."""
    kind = WRITERS.get(ending.lower())
    if kind is None:
        named = f"“{ending}”" if ending else tr("no ending")
        raise UserError(
            tr(
                "A film cannot be saved with {named}; the allowed endings are: {writers}.",
                named=named,
                writers=", ".join(WRITERS),
            )
        )
    if kind is Mp4 and not has_mp4():
        raise UserError(MP4_MISSING)
    return kind


def _codec() -> str:
    import av

    for name in CODECS:
        if name in av.codecs_available:
            try:
                return str(av.codec.Codec(name, "w").name)
            except ValueError:  # known, but for reading only
                continue
    raise UserError(tr("The installed package “av” can write no MP4 film; save it as PNG, WebP or GIF."))


def _image(pixels: np.ndarray) -> Image.Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def _idat(pixels: np.ndarray) -> bytes:
    """The compressed pixels of a picture, as they are in its PNG."""
    still = io.BytesIO()
    _image(pixels).save(still, "PNG")
    data, at, found = still.getvalue(), 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            found.append(data[at + 8 : at + 8 + length])
        at += length + 12
    return b"".join(found)


def _riff_chunk(data: bytes, kind: bytes) -> bytes:
    """A chunk of a WebP with its header and padding."""
    at = 12
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + length + length % 2
        if data[at : at + 4] == kind:
            return data[at:end]
        at = end
    raise ValueError(f"no {kind!r} in this WebP")


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]
