"""Whose fields are what: the managedFields of server-side apply. PURE.

`field_set` has sets of fields and their JSON, `types` what lists and maps of a kind are to server-side apply,
`comparing`, `merging` and `removing` what is done with trees of values of such a type, `updater` who owns
what after an update or an apply, `manager` the entries of metadata.managedFields, `conflicts` what is said
when two managers want a field. Trees are the plain values of an object's JSON (`vaina.objects.encode`).

Follows sigs.k8s.io/structured-merge-diff and apimachinery `pkg/util/managedfields`. A kind has one version
here: entries of another are dropped, as upstream drops those of versions that it no longer has.
"""
