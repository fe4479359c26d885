"""The parsers of bytes that others have written, by name."""

from tests.fuzz.targets import answers, sounds, stores, tables, texts

TARGETS = {target.name: target for module in (stores, tables, texts, answers, sounds) for target in module.TARGETS}
