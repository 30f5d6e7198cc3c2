"""The VM sizes of the region and the families they come in, as data; the article's own Standard_D1 is among them.

Cores, memory, disks and GPUs are the published ones. Prices are round figures near the public list, for arithmetic
and not for budgets; limits are the emulator's own. One family has no quota, so that a refusal can be met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..service import Fault

#: Family -> its words in the name of a limit, and the vCPUs allowed.
FAMILIES: dict[str, tuple[str, int]] = {
    "standardDFamily": ("Standard D Family", 100),
    "standardDv2Family": ("Standard Dv2 Family", 100),
    "standardDSv2Family": ("Standard DSv2 Family", 100),
    "standardDSv3Family": ("Standard DSv3 Family", 100),
    "standardESv3Family": ("Standard ESv3 Family", 100),
    "standardFSv2Family": ("Standard FSv2 Family", 100),
    "standardNCFamily": ("Standard NC Family", 48),
    "standardNCSv3Family": ("Standard NCSv3 Family", 24),
    # the double blank is the service's (fact 11)
    "standardNCASv3T4Family": ("Standard  NCASv3_T4  Family", 24),
    "standardNVFamily": ("Standard NV Family", 24),
    "standardNDSv2Family": ("Standard NDSv2 Family", 0),
}
TOTAL_DEDICATED, TOTAL_LOW_PRIORITY, CLUSTERS = 200, 200, 100


@dataclass(frozen=True, slots=True)
class Size:
    """One VM size: `disk_mb` is the temporary disk, `price` US dollars an hour with Linux."""

    name: str
    family: str
    vcpus: int
    memory_gb: float
    disk_mb: int
    price: float
    gpus: int = 0
    premium: bool = True

    def document(self) -> dict[str, Any]:
        """The size as the service lists it (wire-v2 2.4)."""
        return {
            "name": self.name,
            "family": self.family,
            "vCPUs": self.vcpus,
            "gpus": self.gpus,
            "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": self.disk_mb,
            "memoryGB": self.memory_gb,
            "lowPriorityCapable": True,
            "premiumIO": self.premium,
            "estimatedVMPrices": {
                "billingCurrency": "USD",
                "unitOfMeasure": "OneHour",
                "values": [
                    {"retailPrice": self.price, "osType": "Linux", "vmTier": "Standard"},
                    {"retailPrice": round(self.price / 5, 4), "osType": "Linux", "vmTier": "LowPriority"},
                ],
            },
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }


SIZES = (
    Size("Standard_D1", "standardDFamily", 1, 3.5, 51200, 0.077, premium=False),
    Size("Standard_D2", "standardDFamily", 2, 7.0, 102400, 0.154, premium=False),
    Size("Standard_D1_v2", "standardDv2Family", 1, 3.5, 51200, 0.073, premium=False),
    Size("Standard_D2_v2", "standardDv2Family", 2, 7.0, 102400, 0.146, premium=False),
    Size("Standard_D3_v2", "standardDv2Family", 4, 14.0, 204800, 0.293, premium=False),
    Size("Standard_D4_v2", "standardDv2Family", 8, 28.0, 409600, 0.585, premium=False),
    Size("Standard_D12_v2", "standardDv2Family", 4, 28.0, 204800, 0.371, premium=False),
    Size("Standard_DS1_v2", "standardDSv2Family", 1, 3.5, 7168, 0.073),
    Size("Standard_DS2_v2", "standardDSv2Family", 2, 7.0, 14336, 0.146),
    Size("Standard_DS3_v2", "standardDSv2Family", 4, 14.0, 28672, 0.293),
    Size("Standard_DS4_v2", "standardDSv2Family", 8, 28.0, 57344, 0.585),
    Size("Standard_DS11_v2", "standardDSv2Family", 2, 14.0, 28672, 0.185),
    Size("Standard_DS12_v2", "standardDSv2Family", 4, 28.0, 57344, 0.371),
    Size("Standard_D2s_v3", "standardDSv3Family", 2, 8.0, 16384, 0.117),
    Size("Standard_D4s_v3", "standardDSv3Family", 4, 16.0, 32768, 0.234),
    Size("Standard_D8s_v3", "standardDSv3Family", 8, 32.0, 65536, 0.468),
    Size("Standard_E4s_v3", "standardESv3Family", 4, 32.0, 65536, 0.296),
    Size("Standard_F2s_v2", "standardFSv2Family", 2, 4.0, 16384, 0.085),
    Size("Standard_F4s_v2", "standardFSv2Family", 4, 8.0, 32768, 0.169),
    Size("Standard_F8s_v2", "standardFSv2Family", 8, 16.0, 65536, 0.338),
    Size("Standard_NC6", "standardNCFamily", 6, 56.0, 348160, 0.9, gpus=1, premium=False),
    Size("Standard_NC12", "standardNCFamily", 12, 112.0, 696320, 1.8, gpus=2, premium=False),
    Size("Standard_NC6s_v3", "standardNCSv3Family", 6, 112.0, 344064, 3.06, gpus=1),
    Size("Standard_NC12s_v3", "standardNCSv3Family", 12, 224.0, 688128, 6.12, gpus=2),
    Size("Standard_NC4as_T4_v3", "standardNCASv3T4Family", 4, 28.0, 184320, 0.526, gpus=1),
    Size("Standard_NV6", "standardNVFamily", 6, 56.0, 348160, 1.14, gpus=1, premium=False),
    Size("Standard_ND40rs_v2", "standardNDSv2Family", 40, 672.0, 2969600, 22.03, gpus=8),
)
BY_NAME = {size.name.lower(): size for size in SIZES}


def find_size(name: object) -> Size | None:
    """The size of that name, whatever its case; None when the region has no such one."""
    return BY_NAME.get(name.lower()) if isinstance(name, str) else None


def require_quota(size: Size, nodes: int) -> None:
    """Refuse a compute whose family has no room for its first nodes; the wording is the service's (fact 11)."""
    words, limit = FAMILIES[size.family]
    if nodes * size.vcpus <= limit:
        return
    text = f"The specified subscription has a {words.replace('Family', 'family')} vCPU quota of {limit} and cannot"
    text += (
        f" accomodate for at least {nodes} requested managed compute nodes which maps to {nodes * size.vcpus} vCPUs."
    )
    text += " Talk to your Subscription Admin or refer to https://docs.microsoft.com/azure/machine-learning/"
    raise Fault(400, "BadRequest", f"{text}how-to-manage-quotas#request-quota-increases to increase the family quota")
