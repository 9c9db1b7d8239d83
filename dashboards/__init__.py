"""Published pages: they draw what the engine and the library computed, and compute nothing."""
