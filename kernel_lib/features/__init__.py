"""Streaming features, one per file: each is one small compiled update over its own slice of state."""
