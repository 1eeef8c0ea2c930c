"""May they: what a call asks for, who decides, and the check in every handler.

A method's verb and resource are known when the handlers are made (`methods`); its namespace and name when the
request is read, so a handler checks there (`checks`). The deciders stand behind one Protocol (`authorizer`).
"""
