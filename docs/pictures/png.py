"""PNG pictures made small: the colours of a page, no more than 256 of them, in place of three bytes a pixel. Pure."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

MOST_COLORS = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BYTES_A_PIXEL = {2: 3, 6: 4}  # by PNG's number for its kind: RGB, RGBA

Color = tuple[int, int, int]


def with_palette(picture: bytes) -> bytes:
    """The same picture with its most frequent colours; each of the others becomes the one that is nearest to it."""
    width, height, rows = _decoded(picture)
    counted = Counter(color for row in rows for color in row)
    palette = [color for color, _ in counted.most_common(MOST_COLORS)]
    number = {color: place for place, color in enumerate(palette)}
    for color in counted.keys() - number.keys():
        number[color] = min(range(len(palette)), key=lambda place: _distance(palette[place], color))
    lines = b"".join(b"\0" + bytes(map(number.__getitem__, row)) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (b"IHDR", head), (b"PLTE", bytes(sum(palette, ()))), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _distance(one: Color, other: Color) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, place)
        yield kind, picture[place + 8 : place + 8 + length]
        place += 12 + length


def _decoded(picture: bytes) -> tuple[int, int, list[list[Color]]]:
    """Width, height and the colours of each row; what is transparent loses that."""
    parts = list(_chunks(picture))
    width, height, depth, kind = struct.unpack_from(">IIBB", dict(parts)[b"IHDR"])
    assert depth == 8, "a browser's pictures have 8 bits a colour"
    size = _BYTES_A_PIXEL[kind]
    data = zlib.decompress(b"".join(data for kind, data in parts if kind == b"IDAT"))
    length = width * size + 1
    row = bytearray(width * size)
    rows = []
    for start in range(0, height * length, length):
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + length]), row, size)
        rows.append(list(zip(row[0::size], row[1::size], row[2::size], strict=True)))
    return width, height, rows


def _unfiltered(filtered_by: int, row: bytearray, above: bytearray, size: int) -> bytearray:
    """A row as it was before PNG's filter; ``above`` is the one before it."""
    for place, value in enumerate(row):
        left = row[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        match filtered_by:
            case 0:
                return row
            case 1:
                guess = left
            case 2:
                guess = above[place]
            case 3:
                guess = (left + above[place]) // 2
            case _:
                guess = _paeth(left, above[place], corner)
        row[place] = (value + guess) & 255
    return row


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
