"""This client's version, as the engine's logs show it."""

VERSION = "0.1.0"
