"""The stand-in images: written entry by entry, so that every header is what we say it is."""
