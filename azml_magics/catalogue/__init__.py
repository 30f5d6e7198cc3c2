"""Every resource type and operation this package knows, as data.

The REST session, the words, the completer, the help, the emulator's routes, the coverage table and the
reference all read this list. A new resource type is an entry in one family file.
"""

from . import around, compute, data, history, hyperdrive, mlflow, models, workspaces
from .schema import Body, Column, Host, Kind, Lifecycle, Operation, Paging, Resource

RESOURCES: tuple[Resource, ...] = (
    *workspaces.RESOURCES,
    *compute.RESOURCES,
    *history.RESOURCES,
    *models.RESOURCES,
    *data.RESOURCES,
    *hyperdrive.RESOURCES,
    *mlflow.RESOURCES,
    *around.RESOURCES,
)

__all__ = [
    "RESOURCES",
    "Body",
    "Column",
    "Host",
    "Kind",
    "Lifecycle",
    "Operation",
    "Paging",
    "Resource",
    "find",
    "locate",
]


def find(noun: str) -> Resource:
    """The resource of that noun, singular or plural; KeyError when there is none."""
    for resource in RESOURCES:
        if noun in (resource.noun, resource.plural):
            return resource
    raise KeyError(noun)


def locate(operation_id: str) -> tuple[Resource, Operation]:
    """The resource and the operation of an id such as `run.show`."""
    noun, _, verb = operation_id.partition(".")
    resource = find(noun)
    return resource, resource.operation(verb)
