"""The offline augmentation of Hu et al. (DCASE 2020, Task 1a) as effects, one file an effect; needs the extra 'augmentation'."""
