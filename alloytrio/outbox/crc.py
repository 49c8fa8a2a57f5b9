"""CRC-32 (the polynomial of gzip), and the CRC of two byte strings laid end to end from the CRCs of each.

isal does both an order of magnitude faster than zlib (240 kB: 4 µs against 56 µs) and gives the same values.
"""

import zlib
from collections.abc import Callable
from types import ModuleType

_POLYNOMIAL = 0xEDB88320  # bit-reversed, as in RFC 1952


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC's; bit 31 is the coefficient of x^0."""
    product = 0
    while a:
        if a & 0x80000000:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def combine_in_python(crc1: int, crc2: int, crc2_length: int) -> int:
    """The CRC of ``a + b``, given the CRCs of ``a`` and ``b`` and the length of ``b`` in bytes.

    Appending n bytes multiplies a CRC by x^(8n); the power is found by squaring (as in zlib's ``crc32_combine``).
    """
    power, factor, rest = 0x80000000, 0x00800000, crc2_length  # x^0, x^8
    while rest:
        if rest & 1:
            power = _multiply(power, factor)
        factor = _multiply(factor, factor)
        rest >>= 1
    return _multiply(power, crc1) ^ crc2


def load_deflate() -> ModuleType:
    """isal's zlib, or Python's where isal is not built."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


DEFLATE = load_deflate()
"""isal's or Python's own zlib module: what they make is the same format, at a third of the cost or less by isal."""

crc32: Callable[..., int] = DEFLATE.crc32
"""CRC-32 of bytes, after another CRC if one is given."""

crc32_combine: Callable[[int, int, int], int] = getattr(DEFLATE, "crc32_combine", combine_in_python)
"""See ``combine_in_python``."""
