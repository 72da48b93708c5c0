"""Token ids as text that a reader can see: spaces, control characters and broken bytes included."""

import json
import re
import unicodedata
from functools import cache
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def token_texts(tokenizer: Any, size: int) -> list[str]:
    """Return the readable text of the ids 0 … size − 1.

    A space is `␣`, a newline `␊`, a tab `␉`, a byte that is no character by itself `⟨E2⟩`; special tokens
    stand as they are, and an id without a token (padding of the head) is `⟨unused 512⟩`.
    """
    tokens = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    added = {token_id: token.content for token_id, token in tokenizer.added_tokens_decoder.items()}
    decode = _byte_level if _is_byte_level(tokenizer) else _sentence_piece
    texts = []
    for token_id in range(size):
        if token_id in added:
            texts.append(visible(added[token_id]))
        elif token_id in tokens:
            texts.append(visible(decode(tokens[token_id])))
        else:
            texts.append(f"⟨unused {token_id}⟩")
    return texts


def visible(text: str) -> str:
    """Return `text` with every character that would not be seen replaced by one that is.

    >>> visible(" the" + chr(10))
    '␣the␊'
    """
    shown = "".join(_show(character) for character in text)
    return f"◌{shown}" if shown and unicodedata.combining(shown[0]) else shown


@cache
def _show(character: str) -> str:
    code = ord(character)
    if character == " ":
        return "␣"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xDC80 <= code <= 0xDCFF:
        # What `surrogateescape` leaves of a byte that is no UTF-8.
        return f"⟨{code - 0xDC00:02X}⟩"
    return f"⟨U+{code:04X}⟩" if unicodedata.category(character) in _HIDDEN else character


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "byte_decoder")
    # Only its state tells a decoder's parts; the whole tokenizer's JSON would hold the vocabulary too.
    decoder = backend.decoder
    state = json.loads(decoder.__getstate__()) if decoder is not None else {}
    return any(part.get("type") == "ByteLevel" for part in [state, *state.get("decoders", [])])


def _byte_level(token: str) -> str:
    to_byte = _byte_of_character()
    if any(character not in to_byte for character in token):
        return token
    return bytes(to_byte[character] for character in token).decode("utf-8", "surrogateescape")


def _sentence_piece(token: str) -> str:
    byte = _BYTE.fullmatch(token)
    if byte:
        return bytes([int(byte[1], 16)]).decode("utf-8", "surrogateescape")
    return token.replace("▁", " ")


@cache
def _byte_of_character() -> dict[str, int]:
    """Return GPT-2's table of printable characters that stand for the 256 bytes, reversed."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}
