"""What the SDK raises, as the runtime interface's errors. Called by every module of the docker runtime."""

from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, RuntimeUnavailable


@contextmanager
def translated(refusal: type[RuntimeFailure] = RuntimeFailure) -> Iterator[None]:
    """Raise the interface's errors in place of the SDK's.

    Args:
        refusal: what an answer of the engine becomes that says no; "no such container" is always
        NotFoundInRuntime.
    """
    try:
        yield
    except APIError as error:
        text = error.explanation or str(error)
        if error.status_code == 404 and "container" in text.lower():
            raise NotFoundInRuntime(text) from error
        if error.status_code is None or error.status_code in {502, 503, 504}:
            raise RuntimeUnavailable(text) from error
        raise refusal(text) from error
    except (DockerException, RequestException, OSError) as error:
        raise RuntimeUnavailable(f"the Docker engine does not answer: {error}") from error
