"""The library that every component is written with, and the SDK for other people's components."""
