"""What kind of file something is, by its first bytes, or by its suffix where those say nothing."""

from __future__ import annotations

from pathlib import Path

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # what is decoded here, by Pillow's names
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
READABLE = "PNG, JPEG, WebP, BMP, GIF or TIFF"
HEAD = 64  # bytes from the beginning that tell a kind
LONGEST_SUFFIX = 8

# Files that accompany images and never are one: they are counted by suffix, without being opened.
SIDECARS = set(
    ".txt .json .jsonl .csv .tsv .md .yaml .yml .xml .html .htm .py .ini .log .db .npy .npz .zip .tar .gz .7z .rar "
    ".mp4 .mov .avi .mkv .webm .mp3 .wav .pdf .doc .docx .xmp .aae .safetensors .ckpt .pt .parquet".split()
)
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"gimp xcf", "XCF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
)
BRANDS = {  # of ISO media files, after “ftyp”
    b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"mif1": "HEIF",
    b"msf1": "HEIF", b"avif": "AVIF", b"avis": "AVIF", b"crx ": "CR3", b"qt  ": "MOV",
}  # fmt: skip
BY_SUFFIX = {
    ".heif": "HEIF", ".hif": "HEIF", ".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000",
    ".jpg2": "JPEG 2000", ".exr": "OpenEXR", ".hdr": "Radiance HDR",
}  # fmt: skip


def kind_of(head: bytes) -> str:
    """One of `FORMATS`, another kind's name such as “HEIC” or “PSD”, or "" for what the first bytes do not tell."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and len(head) >= 26 and head[6:10] == bytes(4):
        return "BMP"
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "MP4")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<svg", b"<?xml")):
        return "SVG" if b"svg" in head.lower() else "XML"
    return next((kind for signature, kind in SIGNATURES if head.startswith(signature)), "")


def kind_by_name(name: str) -> str:
    """What a file calls itself: “HEIC” for x.heic, “TXT” for x.txt, “no suffix” for x."""
    suffix = Path(name).suffix.lower()
    if not suffix or len(suffix) > LONGEST_SUFFIX or not suffix[1:].isalnum():
        return "no suffix"
    return BY_SUFFIX.get(suffix, suffix[1:].upper())


def with_article(kind: str) -> str:
    """“a PSD file”, “an AVIF file”: letters that are read one by one decide by their sound."""
    first = kind[:2].upper()
    vowel = kind[:1] in "AEIOU" or (
        kind[:1] in "FHLMNRSX" and first.isalpha() and kind in {"XCF", "SVG", "MP4", "MOV", "XML"}
    )
    return f"{'an' if vowel else 'a'} {kind} file"
