"""What Tab offers: words of the command itself, and names from the server, within 200 ms.

The whole command takes half a second to import, so a Tab imports none of it: `grammar` keeps what the command
line looks like in a file, `names` asks a server of `servers` and reads `messages`, `offers` says what fits
where, and `shells` speaks to bash, zsh and fish.
"""
