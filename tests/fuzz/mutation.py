"""Inputs that are nearly good: a seed with some edits, which hypothesis can make smaller."""

from collections.abc import Sequence

from hypothesis import strategies as st

MAX_EDITS = 8
INTERESTING = [
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff" * 8 + b"\x01", b"\r\n", b"\n", b'"',
    b"{", b"}", b"[" * 100, b"\\", b"${", b"'''", b"\xc3\x28", b"\xed\xa0\x80", b"9" * 30, b"(" * 100, b".*",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A seed, changed in some places; sometimes nothing but noise."""
    if draw(st.integers(0, 19)) == 19:
        return draw(st.binary(max_size=200))
    body = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, MAX_EDITS))):
        at = draw(st.integers(0, len(body)))
        size = draw(st.integers(0, min(40, len(body) - at)))
        match draw(st.integers(0, 5)):
            case 0:
                body[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                body[at:at] = draw(st.sampled_from(INTERESTING))
            case 2:
                body[at : at + size] = b""
            case 3:
                body[at:at] = body[at : at + size] * draw(st.integers(1, 3))
            case 4:
                del body[at:]
            case _:
                body[at : at + size] = draw(st.binary(max_size=size + 1))
    return bytes(body)
