"""Doing a lesson: the shell that its commands are typed into, and what is shown of it in the terminal."""
