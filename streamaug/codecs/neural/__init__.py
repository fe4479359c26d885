"""Neural codecs: a checkpoint of the user's own makes the codes and decodes them."""
