"""Who can sign in to the demo's parks. Every start prints it, so it loads nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who can sign in to the demo."""

    role: str
    name: str
    password: str
    person: str

    @property
    def local(self) -> str:
        """The login without its tenant."""
        return self.name.partition("@")[0]


YUNLING_PASSWORD = "cloud ridge demo"  # noqa: S105 - printed on the terminal, for a park that does not exist
GUZHEN_PASSWORD = "clear river demo"  # noqa: S105 - as above

YUNLING = (
    Login("administrator", "admin@yunling", YUNLING_PASSWORD, "林晓云"),
    Login("manager", "manager@yunling", YUNLING_PASSWORD, "周正岭"),
    Login("seller", "seller@yunling", YUNLING_PASSWORD, "何小满"),
    Login("gate", "gate@yunling", YUNLING_PASSWORD, "高山"),
    Login("finance", "finance@yunling", YUNLING_PASSWORD, "钱明"),
    Login("auditor", "auditor@yunling", YUNLING_PASSWORD, "沈言"),
)
GUZHEN = (Login("administrator", "admin@guzhen", GUZHEN_PASSWORD, "苏清河"),)

LOGINS = YUNLING + GUZHEN
"""All of them: each has `role`, `name` (with its tenant), `password`."""
