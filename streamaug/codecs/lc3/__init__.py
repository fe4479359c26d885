"""LC3, the codec of Bluetooth LE Audio: the codec and its encoder, the library, the file format."""
