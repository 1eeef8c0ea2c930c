"""The lessons of docs/lessons: what one consists of, how it is read, and whether an output is as it says.

Pure but for `shelf`, which finds the files. The command (`vaina learn`), the page and the tests all read lessons
here, so that what people see is what is run.
"""
