"""The commands, one module each: what `vaina VERB` does, over the client library."""
