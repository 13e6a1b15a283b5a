"""Administration: changing locks and ending other people's tickets. Needs a key with the right `admin`, or `admin.sock`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import _calls
from ._async import AsyncRunner
from ._settings import Core
from ._types import Changes, Lock, Reloaded, Settings


class AsyncAdministration:
    """The calls of administrators. `force` does it although tickets end, with `expect_tickets` only if it ends exactly so many.

    `revision` makes a change only if the settings are still of that revision.
    """

    _core: Core
    _runner: AsyncRunner

    async def create(self, lock: str, settings: Settings | Mapping[str, object]) -> Lock:
        """Make a lock that must not exist yet: `create("san-ssh", {"size": 7})`."""
        return await self._runner.run(_calls.create(self._core, lock, settings))

    async def replace(
        self,
        lock: str,
        settings: Settings | Mapping[str, object],
        *,
        force: bool = False,
        expect_tickets: int | None = None,
        revision: int | None = None,
    ) -> Lock:
        """Make a lock or replace all its settings."""
        return await self._runner.run(_calls.replace(self._core, lock, settings, force, expect_tickets, revision))

    async def change(
        self,
        lock: str,
        changes: Changes | Mapping[str, object],
        *,
        force: bool = False,
        expect_tickets: int | None = None,
        revision: int | None = None,
    ) -> Lock:
        """Change some settings of a lock: `change("san-ssh", {"size": 5})`."""
        return await self._runner.run(_calls.change(self._core, lock, changes, force, expect_tickets, revision))

    async def pause(self, lock: str, reason: str = "", until_s: float | None = None) -> Lock:
        """Grant nothing more. Holders go on; waiters wait. It ends by itself after `until_s`, if given."""
        changes: Changes = {"paused": True, "reason": reason}
        if until_s is not None:
            changes["until_s"] = until_s
        return await self.change(lock, changes)

    async def resume(self, lock: str) -> Lock:
        """End a pause."""
        return await self.change(lock, {"paused": False})

    async def delete(
        self, lock: str, *, force: bool = False, expect_tickets: int | None = None, revision: int | None = None
    ) -> None:
        """Delete a lock."""
        await self._runner.run(_calls.delete(self._core, lock, force, expect_tickets, revision))

    async def revoke(self, lock: str, number: int, reason: str | None = None, *, state: str | None = None) -> None:
        """End somebody's ticket by its public number, with `state` only if it is "queued", "granted" or "held".

        A user may end those of its own key.
        """
        await self._runner.run(_calls.revoke(self._core, lock, number, reason, state))

    async def withhold(
        self,
        lock: str,
        permits: int | None = None,
        *,
        slots: Iterable[str] | None = None,
        reason: str = "",
        until_s: float | None = None,
    ) -> Lock:
        """Withhold a number of permits, or slots by their names: what is free at once, the rest as it comes back.

        Holders go on; size and names stay. They can be given again after `until_s`, or when they are restored.
        """
        wanted: dict[str, object] = {"reason": reason}
        if permits is not None:
            wanted["permits"] = permits
        if slots is not None:
            wanted["slots"] = list(slots)
        if until_s is not None:
            wanted["until_s"] = until_s
        return await self._runner.run(_calls.withhold(self._core, lock, wanted))

    async def restore(self, lock: str, number: int | None = None, *, slots: Iterable[str] | None = None) -> None:
        """Restore withheld permits: all, those of one withholding, or slots by their names."""
        await self._runner.run(_calls.restore(self._core, lock, number, slots))

    async def report(self, lock: str, in_use: int, until_s: float) -> Lock:
        """Report how many permits are in use in all, also by those who do not ask the server. It counts for `until_s`.

        What the server's own holders do not have of that is withheld until the next report.
        """
        return await self._runner.run(_calls.report(self._core, lock, in_use, until_s))

    async def unreport(self, lock: str) -> None:
        """Take the report back."""
        await self._runner.run(_calls.unreport(self._core, lock))

    async def reload(self) -> Reloaded:
        """Make the server read its configuration again."""
        return await self._runner.run(_calls.reload(self._core))
