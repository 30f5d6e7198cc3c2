"""Waiting for what the service goes on with after it has answered: the poller, and how its answers are read.

The rules are service-facts 4: three kinds of addresses, bodies that may be empty, `null` or a bare string, status
words without end but for the terminal ones, and failures under HTTP 200.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from ..catalogue import Operation, Resource
from ..errors import Interrupted, NotFoundError, OperationFailed, ServiceError, TransportError
from .envelopes import HINTS, one_line, read_reason
from .protocol import Answer, Request, retry_after

if TYPE_CHECKING:
    from .session import Session

#: The words after which nothing more happens, lower-cased; every other word means that it goes on. The last two
#: are modelmanagement's.
SUCCEEDED = frozenset({"succeeded"})
FAILED = frozenset({"failed", "canceled", "cancelled", "timedout"})

SHORTEST, LONGEST, GROWTH = 1.0, 30.0, 1.5
#: Polls in a row that may bring nothing: one bad answer does not end what goes on (service-facts 9).
BEARABLE = 5

#: What is asked: a status document, an address that answers 202 until the end, the resource, or nothing more.
Way = Literal["status", "location", "resource", "done"]


@dataclass(frozen=True, slots=True)
class Poll:
    """Where an operation stands: the service's word for it, whether that is the end, and the document."""

    status: str
    ended: bool
    document: Any = None

    @property
    def failed(self) -> bool:
        """Whether it has ended badly."""
        return self.ended and self.status.lower() in FAILED


def first_way(request: Request, answer: Answer) -> tuple[Way, str]:
    """How the operation that gave this first answer is followed, and where. Azure-AsyncOperation wins."""
    location = answer.header("location")
    for name in ("azure-asyncoperation", "operation-location"):
        if url := answer.header(name):
            return "status", _absolute(request, url)
    if answer.status == 202 and location:
        return "location", _absolute(request, location)
    # A Location beside 201 is the resource's own address, and nothing to wait for (service-facts 4.1).
    if request.method in ("PUT", "PATCH") and not read_poll("resource", answer).ended:
        return "resource", request.full_url
    if request.method == "DELETE" and answer.status == 202:
        return "resource", request.full_url  # until it is gone [inferred]
    return "done", ""


def _absolute(request: Request, url: str) -> str:
    """The address as it came: only a bare path is completed, everything else is used to the letter."""
    return urljoin(request.url, url) if url.startswith("/") else url


def read_poll(way: Way, answer: Answer) -> Poll:
    """Where an operation stands, from one answer about it."""
    document = answer.json()
    words = document if isinstance(document, dict) else {}
    status = _word(words, way)
    if way == "location" and answer.status != 202:
        # The final body may be any resource's: only an error beside the word makes it a failure.
        bad = status.lower() in FAILED and isinstance(words.get("error"), dict)
        return Poll(status if bad else "Succeeded", ended=True, document=document)
    if status:
        return Poll(status, way != "location" and status.lower() in SUCCEEDED | FAILED, document)
    # Without a word (empty, `null`, a bare string, a result) 202 means to come again (service-facts 4.2).
    ended = answer.status != 202
    return Poll("Succeeded" if ended else "InProgress", ended, document)


def _word(words: Mapping[str, Any], way: Way) -> str:
    """The status of a status document, or of a resource."""
    inner = words.get("properties")
    told = [] if way == "resource" else [words.get("status"), words.get("state")]
    told.append(inner.get("provisioningState") if isinstance(inner, dict) else None)
    return next((word for word in told if isinstance(word, str) and word), "")


class Poller:
    """An operation that the service goes on with. Nothing is asked until somebody wants to know."""

    def __init__(
        self,
        session: Session,
        resource: Resource,
        operation: Operation,
        keys: Mapping[str, str],
        request: Request,
        answer: Answer,
    ) -> None:
        self._session, self._resource, self._operation = session, resource, operation
        self._request, self._first = request, answer
        name = keys.get(resource.key, "")
        self._what = " ".join(word for word in (resource.noun, operation.verb, name) if word)
        self._hint = f"%azml {resource.noun} show {name}".rstrip() if operation.method != "DELETE" else ""
        self._asked = retry_after(answer)
        self._missed = 0
        self._result: tuple[Any] | None = None
        self._way, self._url = first_way(request, answer)
        now = read_poll("resource", answer)
        if self._way == "done":
            self._poll = (
                now if request.method in ("PUT", "PATCH") else Poll("Succeeded", ended=True, document=answer.json())
            )
            return
        self._poll = Poll("InProgress" if now.ended else now.status, ended=False)
        if answer.header("operation-location") == self._url:
            self._url = self._own_address(self._url)
        session.check(self._url)

    def _own_address(self, url: str) -> str:
        """Modelmanagement's links lead to hosts and paths of old; clients take the id at their end (wire-v1 11)."""
        if not any(operation.verb == "operation" for operation in self._resource.operations):
            return url
        identifier = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        return self._session.prepare(f"{self._resource.noun}.operation", keys={"operation": identifier}).full_url

    def __repr__(self) -> str:
        return f"<Poller {self._resource.operation_id(self._operation)}: {self.status}>"

    @property
    def status(self) -> str:
        """The service's word for where it stands, as of the last look."""
        return self._poll.status

    def done(self) -> bool:
        """Look once, and tell whether it has ended, well or badly."""
        if not self._poll.ended:
            self._look()
        return self._poll.ended

    def wait(self, timeout: float | None = None, on_progress: Callable[[str, float], None] | None = None) -> Any:
        """What came of it, once it has ended: the resource, a result, or None for a deletion.

        `on_progress` is told the status and the seconds since the wait began. Raises OperationFailed when it
        ended badly, TransportError after `timeout` seconds and Interrupted on an interrupt; in both of the
        latter cases the operation goes on, and waiting again is possible.
        """
        clock, began = self._session.clock, self._session.clock()
        growing = SHORTEST
        pause = self._asked or 0.0  # the first look is at once, unless the service asks for a pause
        try:
            while not self._poll.ended:
                if timeout is not None and clock() - began + pause > timeout:
                    raise TransportError(f"{self._what} has not ended within {timeout:g} s", self._hint)
                if pause:
                    self._session.sleep(pause)
                self.done()
                if on_progress:
                    on_progress(self.status, clock() - began)
                pause = growing if self._asked is None else max(0.05, self._asked)
                growing = min(LONGEST, growing * GROWTH)
            return self.result()
        except KeyboardInterrupt:
            raise Interrupted(f"no longer waiting; {self._what} goes on in the service", self._hint) from None

    def result(self) -> Any:
        """What came of it; waits when it has not ended yet."""
        if not self._poll.ended:
            return self.wait()
        if self._poll.failed:
            raise self._failure()
        if self._result is None:
            self._result = (self._final(),)
        return self._result[0]

    def _look(self) -> None:
        try:
            answer = self._session.follow(self._url)
        except NotFoundError:
            if self._request.method != "DELETE" or self._way != "resource":
                raise
            self._poll = Poll("Succeeded", ended=True)
            return
        except (ServiceError, TransportError) as error:
            self._bear(error)
            return
        self._missed = 0
        self._asked = retry_after(answer)
        self._poll = read_poll(self._way, answer)
        if self._way == "location" and (moved := answer.header("location")) and not self._poll.ended:
            self._session.check(moved)
            self._url = moved

    def _bear(self, error: ServiceError | TransportError) -> None:
        """Go on after a poll that brought nothing, unless that will not change."""
        code = getattr(error, "code", "")
        version = self._request.param("api-version")
        if code == "MissingApiVersionParameter" and version and "api-version=" not in self._url:
            # Added only now: a signed address must not be touched unless the service asks for it.
            self._url = replace(Request("GET", self._url), params=(("api-version", version),)).full_url
            return
        self._missed += 1
        passing = not isinstance(error, ServiceError) or error.status in (408, 429) or error.status >= 500
        if not passing or self._missed >= BEARABLE:
            raise error

    def _failure(self) -> OperationFailed:
        document = self._poll.document
        code, message = read_reason(document)
        if not message and isinstance(document, dict):
            # A resource says why in its properties: [{"error": {"code", "message"}}] (service-facts 1.3).
            errors = (document.get("properties") or {}).get("provisioningErrors")
            code, message = read_reason(errors[0]) if isinstance(errors, list) and errors else ("", "")
        return OperationFailed(
            f"{self._what} ended {self.status}" + (f": {one_line(message)}" if message else ""),
            HINTS.get(code, self._hint),
            status=200,
            code=code or self.status,
            request_id=self._first.header("x-ms-request-id"),
            raw=document,
        )

    def _final(self) -> Any:
        """What a finished operation leaves, by the method that began it."""
        method, location = self._request.method, self._first.header("location")
        if method == "DELETE":
            return None
        if self._way != "status" and (self._poll.document is not None or method == "POST"):
            return self._poll.document
        if method in ("PUT", "PATCH"):
            return self._session.follow(self._request.full_url).json()
        if made := self._made():
            return made
        return self._session.follow(_absolute(self._request, location)).json() if location else None

    def _made(self) -> Any:
        """The resource that a finished status document of modelmanagement leads to."""
        document = self._poll.document
        link = document.get("resourceLocation") if isinstance(document, dict) else None
        if not isinstance(link, str) or not link.strip("/"):
            return None
        name = link.rstrip("/").rpartition("/")[2]
        return self._session.call(f"{self._resource.noun}.show", keys={self._resource.key: name})
