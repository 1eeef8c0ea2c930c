"""PURE: one document for each group and version."""

from apiserver.rest.discovery import group_versions
from apiserver.rest.openapi.paths import discovery_path, paths_of
from apiserver.rest.openapi.schemas import Describe, Json, Schemas, described
from apiserver.rest.served import Table


def document_names(table: Table) -> dict[str, tuple[str, str]]:
    """Return the groups and versions that have a document, by its name: api/v1, apis/apps/v1."""
    return {
        f"apis/{group}/{version}" if group else f"api/{version}": (group, version)
        for group, versions in group_versions(table)
        for version in versions
    }


def document(table: Table, group: str, version: str, describe: Describe = described) -> Json:
    """Return the document of a group and version."""
    schemas = Schemas(describe)
    rows = [table[key] for key in sorted(table) if key[:2] == (group, version)]
    paths = {**discovery_path(group, version, schemas), **paths_of(group, version, rows, schemas)}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {
            "schemas": {name: schemas.found[name] for name in sorted(schemas.found)},
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey",
                    "name": "authorization",
                    "in": "header",
                    "description": "Bearer Token authentication",
                }
            },
        },
    }
