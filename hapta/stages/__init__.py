"""The stages of a request: each carries out what an engine below decides."""
