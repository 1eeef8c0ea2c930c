"""Jobs that have ended are deleted after a time that they say (`ttlSecondsAfterFinished`)."""
