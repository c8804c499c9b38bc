"""Programs and services that name themselves in a picture without saying the settings, or only the prompt."""

from __future__ import annotations

import re

from diffusion_studio.pictures.foreign_settings.foreign import LONGEST_PROMPT, ForeignSettings, text
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

JOB = re.compile(r"\s{0,9}Job ID:\s{0,9}([0-9a-fA-F\-]{8,40})")
FLAGS = re.compile(r"\s--[a-z]{1,20}(?:\s|$)")
# What is looked for in C2PA manifests and XMP -> whose it is. The more exact names come first.
MAKERS = {
    "DALL·E": "DALL·E",
    "DALL-E": "DALL·E",
    "ChatGPT": "ChatGPT",
    "OpenAI": "OpenAI",
    "Adobe Firefly": "Adobe Firefly",
    "Adobe_Firefly": "Adobe Firefly",
    "Midjourney": "Midjourney",
    "Bing Image Creator": "Bing Image Creator",
    "Microsoft Designer": "Microsoft Designer",
    "Made with Google AI": "Google AI",
    "Google C2PA": "Google AI",
    "Leonardo.Ai": "Leonardo.Ai",
    "Stability AI": "Stability AI",
    "Black Forest Labs": "Black Forest Labs",
    "Adobe Photoshop": "Adobe Photoshop",
}
GENERATED = "trainedAlgorithmicMedia"  # IPTC's word for a picture a model made
TOOL = re.compile(r"<xmp:CreatorTool>([^<]{1,200})<|xmp:CreatorTool=\"([^\"]{1,200})\"")


def read_midjourney(texts: PictureTexts) -> ForeignSettings | None:
    """The prompt with its flags, then `Job ID: …`, as a description."""
    said = texts.items.get("Description") or texts.items.get("ImageDescription") or ""
    job = JOB.search(said[:LONGEST_PROMPT])
    if job is None:
        return None
    before = said[: job.start()].strip()
    flags = FLAGS.search(before)
    words = before[: flags.start()] if flags else before
    return ForeignSettings(program="Midjourney", prompt=text(words, LONGEST_PROMPT), raw=said)


def read_maker(texts: PictureTexts) -> ForeignSettings | None:
    """By a name in a signed manifest (C2PA), in XMP or in the tag for software."""
    manifest, xmp = texts.items.get("C2PA", ""), texts.items.get("XMP", "")
    for place in (manifest, xmp if GENERATED in xmp or "Credit" in xmp else ""):
        for word, maker in MAKERS.items():
            if word in place:
                return ForeignSettings(program=maker, raw=place)
    if manifest:
        return ForeignSettings(program="a program that signs its pictures (C2PA)", raw=manifest)
    tool = TOOL.search(xmp)
    named = (tool[1] or tool[2]) if tool else texts.items.get("Software", "")
    if named.strip():
        return ForeignSettings(program=text(named, 60), raw=xmp if tool else named)
    return None
