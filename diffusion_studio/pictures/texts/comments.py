"""The text of an EXIF UserComment, in every encoding that programs write."""

from __future__ import annotations

import codecs

ORDERS = ("utf-16-be", "utf-16-le")
# Latin, Cyrillic to Arabic, Indic to Thai, punctuation, kana, Chinese, Korean, wide letters
USUAL = (
    (0x20, 0x24F), (0x370, 0x6FF), (0x900, 0xEFF), (0x2010, 0x2027), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
    (0xFF01, 0xFF9F),
)  # fmt: skip
LOOKED_AT = 2000  # characters that decide which order of bytes makes sense


def decode_comment(comment: bytes) -> str:
    """A UserComment as text. Its first eight bytes name the encoding (Exif 2.32, table 9), though not the order of UTF-16's
    bytes, and programs write there what they like; so what follows is looked at, too."""
    code, body = comment[:8].upper(), comment[8:]
    if code == b"UNICODE\0":
        text = _utf16(body)
    elif code == b"JIS\0\0\0\0\0":
        text = _jis(body)
    elif code in (b"ASCII\0\0\0", b"\0" * 8):
        text = plain_text(body)
    else:
        text = plain_text(comment)
    return text.strip("\0")


def plain_text(data: bytes) -> str:
    """Text without a named encoding: UTF-8, or UTF-16 where a mark or many zeros say so; what fits neither is replaced."""
    if data[:3] == codecs.BOM_UTF8:
        return data[3:].decode("utf-8", "replace")
    filled = data.strip(b"\0")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or filled.count(0) * 4 > len(filled) > 0:
        return _utf16(data)
    return data.decode("utf-8", "replace")


def _utf16(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    if not body.strip(b"\0").count(0) and _is_utf8(body):
        return body.strip(b"\0").decode("utf-8")  # some write UTF-8 under this name
    second, first = body[1::2].count(0), body[0::2].count(0)  # Latin letters: one byte of each is zero
    if first != second:
        return body.decode(ORDERS[second > first], "replace")
    texts = [body.decode(order, "replace") for order in ORDERS]
    return max(texts, key=lambda text: sum(map(_is_usual, text[:LOOKED_AT])))


def _is_usual(letter: str) -> bool:
    """Whether a letter is of a script that prompts are written in, and not a sign hardly anybody writes."""
    return any(low <= ord(letter) <= high for low, high in USUAL)


def _is_utf8(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\n\r\t\0" for letter in text)


def _jis(body: bytes) -> str:
    for encoding in ("iso2022_jp", "euc_jp", "shift_jis"):
        try:
            return body.strip(b"\0").decode(encoding)
        except UnicodeDecodeError:
            continue
    return body.decode("utf-8", "replace")
