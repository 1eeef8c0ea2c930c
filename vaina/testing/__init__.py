"""The test kit: a clock that is moved by hand, builders of objects, asserts. Imported by tests only."""
