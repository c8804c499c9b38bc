"""Files made wrong in ways that files go wrong, from a seeded random generator: for the tests, and for `benchmarks/fuzz.py`."""

import copy
import json
import random
import struct
import zlib

WORDS = [
    b"\x00",
    b"\xff",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b"NaN",
    b"4096",
    b"99999999999",
    b"\\ud800",
]


def mutate_model(blob, chance):
    """A few random edits: bits, words, cuts, repetitions."""
    blob = bytearray(blob)
    for _ in range(chance.randint(1, 6)):
        place, way = chance.randrange(len(blob) + 1), chance.randrange(5)
        if way == 0 and place < len(blob):
            blob[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            blob[place : place + chance.randint(0, 6)] = chance.choice(WORDS)
        elif way == 2:
            del blob[place : place + chance.choice([1, 8, 100])]
        elif way == 3:
            blob[place:place] = blob[place : place + chance.choice([1, 8, 50])]
        else:
            del blob[max(place, len(blob) // 2) :]
    return bytes(blob)


MODEL_FILES = ("unet/config.json", "scheduler/scheduler_config.json", "card.json", "model_index.json") + (
    "unet/diffusion_pytorch_model.safetensors",
) * 4


def mutated_models(folder, count, seed):
    """`count` times, one file of a whole model folder is wrong while the loop has it; then it is as it was."""
    chance = random.Random(seed)
    whole = {name: (folder / name).read_bytes() for name in MODEL_FILES}
    for _ in range(count):
        name = chance.choice(MODEL_FILES)
        blob = whole[name]
        head = min(len(blob), 12_000) if chance.random() < 0.8 else len(blob)  # mostly what is parsed
        (folder / name).write_bytes(mutate_model(blob[:head], chance) + blob[head:])
        yield name
        (folder / name).write_bytes(blob)


def mutate_picture(data, dice):
    """Bits turned, pieces cut out, doubled or overwritten; in half of the cases with checksums that fit again."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at, much = dice.randrange(len(data)), dice.randint(1, 40)
        kind = dice.randrange(5)
        if kind == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and len(data) > 100:
            del data[at : at + much]
        elif kind == 2:
            data[at:at] = data[at : at + much]
        elif kind == 3:
            data[at : at + 4] = dice.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", dice.randbytes(4)])
        elif len(data) > 100 and dice.random() < 0.2:
            del data[at:]
            data = data or bytearray(1)
    return bytes(_mended(data) if dice.random() < 0.5 else data)


def _mended(data):
    position = 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[position + 4 : end]))
        position = end + 4
    return data


def mutate_block(text, dice):
    """A JSON block: in half of the cases JSON still, with something else in the place of some of its values."""
    if dice.random() < 0.5:
        return mutate_text(text, dice)
    value = json.loads(text)
    for _ in range(dice.randint(1, 3)):
        place = value
        while True:
            key = dice.choice([*place])
            if not (isinstance(place[key], dict) and place[key]) or dice.random() < 0.1:
                break
            place = place[key]
        place[dice.choice([key, key, key, "new"])] = copy.deepcopy(dice.choice(VALUES))
    return json.dumps(value)


VALUES = (
    None, True, -1, 0, 1, 7, 2.5, 10**30, -1e300, float("nan"), float("inf"), "", "x", "7", "../x", "/etc/passwd", "\0",
    "\ud800", "\u202ex", "x" * 600, "x" * 70_000, [], [1], [[[[[[[[[[]]]]]]]]]], [0] * 5000, {}, {"seed": 1}, {"": {"": {}}},
)  # fmt: skip


def mutate_text(text, dice):
    """Words exchanged for what no field should hold, pieces doubled, cut out or turned into any letters."""
    for _ in range(dice.randint(1, 6)):
        at, much = dice.randrange(len(text) + 1), dice.randint(0, 12)
        new = dice.choice(
            [
                *TEXTS,
                text[at : at + 40],
                chr(dice.randrange(0xD800)),
                text[at : at + 9] * dice.choice([2, 900]),
            ]
        )
        text = text[:at] + new + text[at + much :]
    return text


TEXTS = (
    "", '"', "\\", "\\ud800", "{", "}", "[" * 2000, "]", ",", ":", "null", "true", "-1", "1e999", "NaN", "0" * 5000,
    "\0", "\n", "\u202e", "../../etc/passwd", '"a": ', '{"version": 1}', "x" * 70_000,
)  # fmt: skip
