"""The grammar of conditions: what was done to a clip before it reached the classifier.

    condition := stored | stored "~" link
    stored    := "original" | step ("+" step)*
    step      := name | name "_" kbps | name "_" kbps "@" variant
    name      := lower-case letters and digits, starting with a letter, in groups joined by "-"
    kbps      := a decimal number without leading zeros
    variant   := lower-case letters and digits, in groups joined by "-"
    link      := name | name "@" version

A step with a bitrate is a codec (`mp3_64`, `he-aac_16`, `amr-nb_12.2`), one without is an effect
(`pitch`). A variant is another encoder of the codec, or other arguments (`mp3_64@shine`). Steps are
applied from left to right: `sbc_64+aac_64` is encoded by SBC, decoded, and encoded by AAC. A link
loses packets of the last step's bitstream whenever a clip is read (`opus-voip_24~loss10`); it is never
stored. The grammar knows no codec and no link by name; `streamaug.codecs` and `streamaug.links` decide
which ones exist.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from streamaug.errors import ConditionError

_STEP = re.compile(
    r"(?P<name>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?:_(?P<kbps>(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?)(?:@(?P<variant>[a-z0-9]+(?:-[a-z0-9]+)*))?)?"
)
_LINK = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?:@[1-9][0-9]*)?")
_HELP = "write 'original', a codec and its kbps such as 'mp3_64', an effect such as 'pitch', or a chain such as 'sbc_64+aac_64'"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a chain.

    Args:
        name: Name of a codec or an effect.
        bitrate: Requested kbps as spelt, so that `12.2` stays `12.2`. Default: None, an effect.
        variant: Which of the codec's encoders. Default: its usual one.
    """

    name: str
    bitrate: str | None = None
    variant: str = ""

    @property
    def is_codec(self) -> bool:
        """Whether the step encodes and decodes."""
        return self.bitrate is not None

    @property
    def kbps(self) -> float:
        """Requested kilobits per second. Raises ConditionError for an effect, which has none."""
        if self.bitrate is None:
            raise ConditionError(f"effect '{self.name}' has no bitrate")
        return float(self.bitrate)

    def __str__(self) -> str:
        if self.bitrate is None:
            return self.name
        return f"{self.name}_{self.bitrate}@{self.variant}" if self.variant else f"{self.name}_{self.bitrate}"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A chain of steps. The empty chain is the original.

    Args:
        steps: The steps, in the order in which they are applied.
        link: Name of the link that loses packets when a clip is read. Default: none.

    >>> Condition.parse("sbc_64+aac_64").steps
    (Step(name='sbc', bitrate='64', variant=''), Step(name='aac', bitrate='64', variant=''))
    >>> str(Condition.parse("pitch+mp3_64"))
    'pitch+mp3_64'
    >>> Condition.parse("mp3_64@shine").steps[0].variant
    'shine'
    >>> Condition.parse("original").generations
    0
    >>> Condition.parse("opus-voip_24~wifi@1").link, str(Condition.parse("opus-voip_24~wifi@1").stored)
    ('wifi@1', 'opus-voip_24')
    """

    steps: tuple[Step, ...] = ()
    link: str = ""

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition from its only spelling.

        Raises:
            ConditionError: The text is not a condition.
        """
        stored, mark, link = text.partition("~")
        if mark and _LINK.fullmatch(link) is None:
            raise ConditionError(f"condition '{text}': '{link}' is not a link; write its name, such as 'opus-voip_24~loss10' or '~wifi@1'")
        if stored == "original":
            return cls(link=link)
        steps = []
        for part in stored.split("+"):
            match = _STEP.fullmatch(part)
            if match is None or part == "original":
                raise ConditionError(f"condition '{text}': '{part}' is not a step; {_HELP}")
            steps.append(Step(name=match["name"], bitrate=match["kbps"], variant=match["variant"] or ""))
        if any(step.is_codec and step.kbps == 0 for step in steps):
            raise ConditionError(f"condition '{text}': the bitrate is 0 kbps; {_HELP}")
        return cls(steps=tuple(steps), link=link)

    @property
    def stored(self) -> "Condition":
        """What a store has of it: the chain without the link."""
        return Condition(steps=self.steps)

    @cached_property
    def generations(self) -> int:
        """How many times the audio was encoded."""
        return sum(step.is_codec for step in self.steps)

    def __str__(self) -> str:
        stored = "+".join(map(str, self.steps)) or "original"
        return f"{stored}~{self.link}" if self.link else stored


def parse_conditions(text: str, *, links: bool = False) -> tuple[Condition, ...]:
    """Read a comma-separated list of conditions; each appears once, in the order of the text.

    Args:
        text: The list.
        links: Whether they may name links. Default: no, since a store has none.

    Raises:
        ConditionError: The list is empty, or one of them is not a condition, or names a link.

    >>> [str(condition) for condition in parse_conditions("original, mp3_64,mp3_64")]
    ['original', 'mp3_64']
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ConditionError(f"the list of conditions is empty; {_HELP}")
    conditions = tuple(dict.fromkeys(Condition.parse(name) for name in names))
    for condition in conditions:
        if condition.link and not links:
            raise ConditionError(
                f"condition '{condition}': a link is applied when a clip is read, and never stored; write '{condition.stored}' here, and "
                f"'{condition}' in a recipe"
            )
    return conditions
