"""Bitstreams in the packets that a link carries, and decoding where some of them are lost."""
