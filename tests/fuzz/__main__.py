"""Fuzz every parser of foreign bytes; inputs that break one are kept in tests/fuzz/seeds, where the
tests try them again.

    python -m tests.fuzz --minutes 10
    python -m tests.fuzz --minutes 1 recipe settings
"""

import argparse
import random
import sys

from tests.fuzz.running import fuzz
from tests.fuzz.targets import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every parser of foreign bytes.")
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=f"Default: all of {', '.join(TARGETS)}.")
    parser.add_argument("--minutes", type=float, default=10, help="Minutes for all targets together. Default: 10.")
    parser.add_argument("--seed", type=int, default=None, help="Decides the inputs. Default: others each time.")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target '{min(unknown)}'")
    seed = random.SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    print(f"seed {seed}")
    inputs = faults = 0
    for name in options.targets:
        if not TARGETS[name].valid:
            print(f"{name}: no encoder on this machine", flush=True)
            continue
        outcome = fuzz(name, options.minutes * 60 / len(options.targets), seed)
        inputs, faults = inputs + outcome.inputs, faults + len(outcome.faults)
        print(f"{name}: {outcome.inputs} inputs, {outcome.valid} valid, {len(outcome.faults)} faults", flush=True)
        for fault in outcome.faults:
            print(f"  {fault.problem}\n    {fault.seed}", flush=True)
    print(f"{inputs} inputs, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
