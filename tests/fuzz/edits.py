"""Change valid files: bytes, trees of JSON and YAML, text.

Random bytes are refused by the first line of a parser. An edit keeps most of a valid file, and puts
into it what parsers of other programs have stumbled over.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import yaml

Edit = Callable[[bytes, Random], bytes]
"""A changed file, from a valid one."""

NUMBERS: Sequence[Any] = (
    0, -1, 1, 2, 255, 256, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31), 1 << 32, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63), 1 << 64,
    10**400, 0.5, -0.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip

TEXTS = (
    "", " ", ".", "..", "/", "../../x", "/etc/passwd", "~", "~nobody/x", "*", "[", "{", "%s", "{{7*7}}",
    "<script>alert(1)</script>", "\0", "a\0b", "\n", "\r", "\t", "\x1b]0;x\x07", "\u202e", "\ufeff", "\ud800", "\udcff", "𝔞",
    "A" * 300, "é" * 100, "null", "true", "NaN", "1e999", "0x10", "1:30", "2020-99-99", "original", "mp3_64", "mp3_64~loss10",
    "opus_1e9", "a+b@c~d", "@paper",
)  # fmt: skip

_YAML = (
    "&a [*a]", "*a", "&a {b: *a}", "<<: *a", "<<: {a: 1}", "? [1, 2]\n: 3", "? {a: 1}\n: 2", "- - - -", "%YAML 9", "---", "...",
    "|", ">", "!!python/object/apply:os.getcwd []", "!!binary a", "!!binary =", "!!set {a}", "!!omap [a]", "!!pairs [a]",
    "!!timestamp x", "!!bool x", "!!int x", "!!int ''", "!!int 0x", "!!float x", "!!float ''", "!!null x", "!!str [a]", "!!map a",
    "!!seq a", "!<tag:x> y", "2020-99-99", "1_0", "0b2", "0o9", "-.inf", ".nan", "1:99:99", "'", '"', "\t", '"\\ud800"', '"\\x00"',
    '"\\UFFFFFFFF"', "@", "`", "=", "~", "true: 1",
)  # fmt: skip

_DEEP = "a place for something deep"


def edit_bytes(data: bytes, random: Random) -> bytes:
    """Change, insert, remove, repeat and cut off bytes in a few places."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(changed) + 1)
        length = random.choice((1, 2, 4, 8, 64, random.randrange(len(changed) + 1)))
        match random.randrange(9):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1 if at < len(changed):
                changed[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
            case 2 | 3:
                size = random.choice((1, 2, 4, 8))
                number = random.choice([value for value in NUMBERS if isinstance(value, int)]) + random.choice((0, 0, 1, -1))
                changed[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, random.choice(("little", "big")))
            case 4:
                del changed[at : at + length]
            case 5:
                changed[at:at] = changed[at : at + length]
            case 6:
                changed[at:at] = random.randbytes(min(length, 64))
            case 7:
                changed[at : at + length] = bytes(len(changed[at : at + length]))
            case _:
                del changed[at:]
    return bytes(changed)


def _nodes(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(each for key, value in inner for each in _nodes(value, (*path, key)))]


def nasty(random: Random) -> Any:
    """A value that is hardly what a key should have."""
    number, text = random.choice(NUMBERS), random.choice(TEXTS)
    return random.choice((None, True, False, number, number, text, text, str(number), [], {}, [number], {text: number}, _DEEP))


def edit_tree(tree: Any, random: Random) -> Any:
    """Replace, remove, move and add values in a copy of a tree of mappings, lists and plain values."""
    tree = json.loads(json.dumps(tree))
    for _ in range(random.choice((1, 1, 2, 4))):
        *parents, key = random.choice(_nodes(tree)) or (None,)
        holder = tree
        for step in parents:
            holder = holder[step]
        if key is None or not isinstance(holder, dict | list):
            tree = nasty(random) if random.randrange(8) == 0 else tree
            continue
        match random.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[random.choice((*TEXTS, *map(str, holder)))] = holder[key]
            case 2 if isinstance(holder, list):
                holder.insert(random.randrange(len(holder) + 1), random.choice((nasty(random), holder[key])))
            case 3:
                source = tree
                for step in random.choice(_nodes(tree)):
                    source = source[step]
                holder[key] = json.loads(json.dumps(source))
            case _:
                holder[key] = nasty(random)
    return tree


def _deepened(text: str, random: Random) -> str:
    depth = random.choice((3, 100, 5_000))
    return text.replace(f'"{_DEEP}"', "[" * depth + "]" * depth).replace(_DEEP, "[" * depth + "]" * depth)


def edit_json(data: bytes, random: Random) -> bytes:
    """Change values of JSON."""
    return _deepened(json.dumps(edit_tree(json.loads(data), random), indent=random.choice((None, 1))), random).encode()


def edit_yaml(data: bytes, random: Random) -> bytes:
    """Change values and lines of YAML."""
    if random.randrange(2):
        tree = edit_tree(yaml.safe_load(data), random)
        text = json.dumps(tree) if random.randrange(2) else yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
        return _deepened(text, random).encode("utf-8", "surrogatepass")
    lines = data.decode().splitlines()
    for _ in range(random.choice((1, 1, 2))):
        at, piece = random.randrange(len(lines)), random.choice(_YAML)
        key, colon, _value = lines[at].partition(": ")
        match random.randrange(4):
            case 0 if colon:
                lines[at] = f"{key}: {piece}"
            case 1:
                lines.insert(at, piece)
            case 2:
                lines.insert(at, lines[random.randrange(len(lines))])
            case _:
                lines[at] = lines[at].replace(random.choice((":", " ", "{", "}", "[", ",", "-")), piece, 1)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def edit_text(data: bytes, random: Random) -> bytes:
    """Change words of a table or list in text."""
    text = data.decode("utf-8", "replace")
    for _ in range(random.choice((1, 1, 2, 4))):
        separator = random.choice((",", "\n", ";", "\t", '"', "_", "+", " "))
        words = text.split(separator)
        at = random.randrange(len(words))
        words[at : at + random.randrange(2)] = [random.choice((*TEXTS, str(random.choice(NUMBERS)), words[random.randrange(len(words))]))]
        text = separator.join(words)
    encoding = random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    return text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
