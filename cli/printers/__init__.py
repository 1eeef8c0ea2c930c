"""Printers: objects to text. Pure: no terminal, no clock, no client; tests hold them to golden files."""
