"""A stand-in image-search site on loopback, with pictures it draws itself, for demos and tests."""
