"""The kinds of volumes, each a class; `table` has them all. docs/checklists/new-volume.md: a new one."""
