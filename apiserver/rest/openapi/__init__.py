"""The OpenAPI documents, made of the descriptors of messages and of the table of what is served.

`schemas`, `parameters`, `paths` and `document` are pure; `documents` keeps what they make.
"""
