"""Pictures' files read back: what they are, what they say of how they were made, and which installed model made them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures import embedding, metadata
from diffusion_studio.pictures.foreign_settings import stealth
from diffusion_studio.pictures.foreign_settings.a1111 import OURS
from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings
from diffusion_studio.pictures.foreign_settings.registry import read_foreign
from diffusion_studio.pictures.texts.comments import plain_text
from diffusion_studio.pictures.texts.text_chunks import MOST_TEXT, PictureTexts, read_texts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.foreign_file import LARGEST_PICTURE, UnsuitableFile, open_foreign

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

MOST_DAMAGED = 5  # texts that are named
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A picture's file as read. `given` are the settings it really names; `settings` has defaults for the rest."""

    path: Path
    width: int
    height: int
    format: str
    settings: GenerationSettings | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # model_title, model_hash, time, batch, …
    refused: list[str] = field(default_factory=list)  # what the file says and was not taken, a sentence each
    parameters: str | None = None  # the line of parameters as it is in the file, whoever wrote it: plain text
    block: str | None = None  # our own JSON as it is in the file: plain text
    ours: bool = False  # the settings are from our own JSON, which names all of them
    foreign: ForeignSettings | None = None  # what another program says, also what has no meaning here
    texts: PictureTexts = field(default_factory=PictureTexts, repr=False)  # everything the file says

    @property
    def raw(self) -> str:
        """The text of the settings as it is in the file, whoever wrote it, cut where it is very long."""
        said = self.foreign.raw if self.foreign is not None else self.parameters
        return "\n\n".join(filter(None, (said, self.block)))

    @property
    def others(self) -> ForeignSettings | None:
        """What another program says: `foreign` where that is not a line of ours alone."""
        return None if self.foreign is None or self.foreign.program == OURS else self.foreign

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def pixels(self) -> np.ndarray:
        """(height, width, 3) uint8, upright, the first frame; of 4 channels where it is transparent, of one and uint16 where
        it is grey of more than eight bits.
        """
        from diffusion_studio.pictures.channels import all_of
        from diffusion_studio.pictures.decoding import open_picture
        from diffusion_studio.pictures.formats.contents import Refused

        try:
            return all_of(open_picture(self.path))
        except Refused as reason:
            raise UserError(tr("{path} cannot be opened: {reason}.", path=self.path, reason=reason)) from None


def read(path: Path) -> Record:
    """What a picture is and says of how it was made; pixels are not kept. Raises `UserError` for what is no picture."""
    from PIL import Image, UnidentifiedImageError

    from diffusion_studio.pictures.file_kinds import FORMATS

    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what the picture holds; the limits here are our own
            try:
                with open_foreign(path, LARGEST_PICTURE) as file, Image.open(file, formats=FORMATS) as image:
                    return _record(path, image)
            except (UserError, UnsuitableFile, FileNotFoundError, Image.DecompressionBombError):
                raise
            except Exception:  # perhaps what it says, and not its pixels, is what the decoder stumbles over
                record = _read_apart(path)
                if record is None:
                    raise
                return record
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            tr("{path} is not an image that can be read ({formats}).", path=path, formats=", ".join(FORMATS))
        ) from None
    except Image.DecompressionBombError:
        raise UserError(_too_large(path)) from None
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror or "it is damaged"),
            str(error),
        ) from None
    except Exception as error:  # decoders raise anything on damaged files
        raise UserError(
            tr("{path} is damaged and cannot be read.", path=path), f"{type(error).__name__}: {error}"
        ) from None


def _read_apart(path: Path) -> Record | None:
    """The same with nothing but the pixels given to the decoder; None where that is no picture either."""
    from PIL import Image

    from diffusion_studio.pictures.decoding import TAKEN_APART
    from diffusion_studio.pictures.file_kinds import HEAD, kind_of
    from diffusion_studio.pictures.formats.contents import Refused

    try:
        with open_foreign(path, LARGEST_PICTURE) as file:
            kind = kind_of(file.read(HEAD))
            if kind not in TAKEN_APART:
                return None
            found = TAKEN_APART[kind](file)
            found.stream.seek(0)
            with Image.open(found.stream, formats=(kind,)) as image:
                return _record(path, image, found.orientation)
    except (Refused, OSError, SyntaxError, ValueError):
        return None


def _too_large(path: Path) -> str:
    from diffusion_studio.pictures.decoding import MOST_PIXELS

    return tr(
        "{path} unpacks to more than {millions} million pixels, which are too many.",
        path=path,
        millions=MOST_PIXELS // 10**6,
    )


def _record(path: Path, image: Image, orientation: int | None = None) -> Record:
    from diffusion_studio.pictures.decoding import MOST_PIXELS

    width, height, format = image.width, image.height, str(image.format)
    if width * height > MOST_PIXELS:
        raise UserError(_too_large(path))
    refused: list[str] = []
    said = PictureTexts()
    try:
        if orientation is None and (format != "PNG" or "exif" in image.info):
            orientation = image.getexif().get(0x0112)
        if orientation in TURNED:
            width, height = height, width
    except Exception as error:  # hostile EXIF raises anything
        refused.append(tr("Its metadata is damaged ({name}).", name=type(error).__name__))
    try:
        said = _texts(path, image)
        refused += [tr("Its text “{name}” is damaged.", name=name) for name in said.damaged[:MOST_DAMAGED]]
        found, foreign, ours = _understand(said)
    except Exception as error:  # a picture is a picture whatever it says
        found, foreign, ours = metadata.ReadSettings(), None, False
        refused.append(tr("Its metadata cannot be read ({name}).", name=type(error).__name__))
    own, line = embedding.own_texts(said)
    return Record(
        path=path,
        width=width,
        height=height,
        format=format,
        settings=GenerationSettings(**found.given) if found.given else None,
        given=found.given,
        facts=found.facts,
        refused=refused + found.refused,
        parameters=line if line is None or len(line) <= metadata.MOST_BYTES else None,
        block=own if own is None or len(own) <= metadata.MOST_BYTES else None,
        ours=ours,
        foreign=foreign,
        texts=said,
    )


def _texts(path: Path, image: Image) -> PictureTexts:
    """What the file says, and where that is nothing, what is hidden in its pixels, where those can be read."""
    with open_foreign(path, LARGEST_PICTURE) as file:
        said = read_texts(file)
    comment = image.info.get("comment") if image.format == "GIF" else None
    if isinstance(comment, bytes):
        said.add("Comment", plain_text(comment[:MOST_TEXT]))
    lossless = image.format == "PNG" or (image.format == "WEBP" and _is_lossless(path))
    settings = {"parameters", "prompt", "workflow", "Comment", "UserComment", embedding.OWN}
    if lossless and not settings & said.items.keys() and image.mode in ("RGB", "RGBA"):
        if image.width * image.height > stealth.MOST_PIXELS:
            return said
        import numpy as np

        with suppress(OSError, SyntaxError, ValueError, MemoryError):  # pixels that are damaged
            stealth.add_hidden(said, stealth.hidden_text(np.asarray(image)))
    return said


def _is_lossless(path: Path) -> bool:
    with open_foreign(path, LARGEST_PICTURE) as file:
        return b"VP8L" in file.read(4096)


def _understand(said: PictureTexts) -> tuple[metadata.ReadSettings, ForeignSettings | None, bool]:
    """Our own JSON where it can be used, else what another program says; and whether it was our own."""
    refused: list[str] = []
    own, _ = embedding.own_texts(said)
    if own is not None:
        found = metadata.parse_block(own)
        if isinstance(found, metadata.ReadSettings):
            return found, None, True
        refused.append(found)
    foreign = read_foreign(said)
    found = metadata.applied(foreign) if foreign is not None else metadata.ReadSettings()
    found.refuse(*refused)
    return found, foreign, False
