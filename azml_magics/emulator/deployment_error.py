"""What a service and its deployment report when they did not come up. Pure."""

from __future__ import annotations

from typing import Any

from .blobs import BadArchive
from .contents import Missing
from .environments import BuildFailed
from .scoring_child import NotStarted

#: What may go wrong before a script is ready.
PROBLEMS = (NotStarted, BuildFailed, BadArchive, Missing, OSError)


def error_of(problem: Exception) -> dict[str, Any]:
    """What a service and its operation report: the codes that the service has for it (azuredevopslabs#562, MCW#40)."""
    if isinstance(problem, BuildFailed):
        return {"code": "EnvironmentBuildFailed", "statusCode": 400, "message": str(problem), "details": []}
    if isinstance(problem, NotStarted) and problem.late:
        return {"code": "DeploymentTimedOut", "statusCode": 504, "message": f"{problem}.", "details": []}
    where = "Error in entry script, " if isinstance(problem, NotStarted) else ""
    reason = f"{where}{problem}; the service's logs say more."
    return {
        "code": "AciDeploymentFailed",
        "statusCode": 400,
        "message": f"Aci Deployment failed with exception: {reason}",
        "details": [{"code": "CrashLoopBackOff" if where else "DeploymentFailed", "message": reason}],
    }
