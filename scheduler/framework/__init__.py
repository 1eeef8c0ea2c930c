"""The extension points of scheduling: what a plugin is, what it answers, and who calls it. No clock, no I/O."""
