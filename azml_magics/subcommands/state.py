"""What stays between two lines: the settings, and the session of the login."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ..errors import NotLoggedIn
from ..settings import Settings
from .names import Names

if TYPE_CHECKING:
    from ..rest import Scope, Session
    from ..views.stage import Stage


class State:
    """The state behind the words. It outlives the magics object, so `%reload_ext` keeps the login."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.names = Names(self)
        #: Where live views are shown; only a kernel has one, put here by the magics.
        self.stage: Stage | None = None
        self._session: Session | None = None

    @property
    def scope(self) -> Scope:
        """The subscription, group and workspace in use, from the settings."""
        from ..rest import Scope

        value = self.settings.value
        return Scope(value("subscription"), value("group"), value("workspace"))

    @property
    def session(self) -> Session:
        """The session of the login, in the scope in use; NotLoggedIn without one."""
        if self._session is None:
            raise NotLoggedIn
        self._session.scope = self.scope
        return self._session

    def require_login(self) -> None:
        """Raise NotLoggedIn when there is no session."""
        if self._session is None:
            raise NotLoggedIn

    @property
    def logged_in(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def leave_local(self) -> bool:
        """Forget the session if it is one with the emulator; whether it was."""
        local = self._session is not None and getattr(self._session.credential, "way", "") == "local"
        if local:
            self.leave()
            for part in ("subscription", "group", "workspace"):
                self.settings.unset(part)
        return local

    def enter(self, session: Session) -> None:
        """Keep the session of a login."""
        self._session = session
        self.names.forget()

    def leave(self) -> None:
        """Forget the session and its tokens."""
        self._session = None
        self.names.forget()


@functools.cache
def shared() -> State:
    """The one state of this process: notebooks and scripts share their login."""
    return State()
