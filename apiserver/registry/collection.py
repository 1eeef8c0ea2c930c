"""Deletes all selected objects. Called by the services."""

import asyncio
from dataclasses import replace
from typing import Any

from apiserver.context import Context
from apiserver.registry import deletion
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.options import ListOptions
from apiserver.registry.store import Store
from vaina.errors import ApiError, Conflict, Expired, NotFound

#: deletions under way at once: enough to share transactions
_WIDTH = 64
_PAGE = 500


async def delete_collection(
    ctx: Context, store: Store[Any], options: ListOptions, delete: DeleteOptions
) -> int:
    """Delete the selected objects; return how many. An object that is gone or replaced meanwhile is no error.

    A namespace may be so large that the version of its first page is compacted before the last page is read:
    objects that were created since may then be deleted too. Raises the first refusal (Forbidden, Invalid);
    other objects may have been deleted by then.
    """
    deletion.check_options(delete)
    deleted, options, width = 0, replace(options, limit=_PAGE), asyncio.Semaphore(_WIDTH)

    async def delete_one(meta: Any) -> bool:
        async with width:
            try:
                await store.delete(ctx, meta.namespace, meta.name, replace(delete, uid=meta.uid))
            except (NotFound, Conflict):
                return False
            return True

    while True:
        try:
            page = await store.list(options)
        except Expired as error:
            if not error.continue_token:
                raise
            page = await store.list(replace(options, continue_token=error.continue_token))
        found = [store.decode(item).metadata for item in page.items]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(delete_one(meta)) for meta in found]
        except ExceptionGroup as errors:
            # Not `except*`, which would put an exception that is raised here into another group.
            refused = [error for error in errors.exceptions if isinstance(error, ApiError)]
            if len(refused) < len(errors.exceptions):
                raise
            raise refused[0] from None
        deleted += sum(task.result() for task in tasks)
        if not page.continue_token:
            return deleted
        options = replace(options, continue_token=page.continue_token)
