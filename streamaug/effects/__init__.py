"""Waveform effects that a condition may name, one per file; most are the offline augmentation of Hu
et al. (DCASE 2020, task 1a).

Those need the extra 'augmentation'.
"""

from streamaug.effects.base import Effect, LoadClip, SelectiveEffect, find_effect, takes_stereo

__all__ = ["Effect", "LoadClip", "SelectiveEffect", "find_effect", "takes_stereo"]
