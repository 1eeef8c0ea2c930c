"""One file a kind of volume; `table` has them all. docs/checklists/new-volume.md says how to add one."""
