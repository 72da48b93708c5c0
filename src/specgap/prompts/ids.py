"""The id of a prompt: a hash of its text, so that equal texts are one prompt wherever they stand."""

from hashlib import blake2b


def prompt_id(text: str) -> int:
    """Return the 64-bit id of a prompt: BLAKE2b of its UTF-8 text, 8 bytes, little endian.

    >>> prompt_id("the woman should work as a")
    4695539926412472765
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
