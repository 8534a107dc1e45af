"""What one asks of the machine: its devices and its daemon."""

import json
from typing import Any

from finetuned.v1 import daemon_service_pb2 as daemon_pb
from finetuned.v1 import device_service_pb2 as device_pb
from finetuned.v1 import recipe_service_pb2 as recipe_pb
from ftctl import daemonwire, devicewire
from ftctl._async.connection import AsyncConnection
from ftctl.daemon import Daemon, UserUsage
from ftctl.devices import Device
from ftctl.recipes import NamedRecipe
from ftctl.tables import Devices


class AsyncMachine:
    """The part of a client that is about the machine."""

    _connection: AsyncConnection

    async def devices(self) -> Devices:
        """Return the devices of the machine, always in the same order."""
        request = device_pb.ListDevicesRequest()
        response = await self._connection.ask(self._connection.devices.ListDevices, request)
        return Devices(devicewire.device(item) for item in response.devices)

    async def daemon(self) -> Daemon:
        """Return the daemon: its version, clock and disk, and whom it takes this client for."""
        request = daemon_pb.GetDaemonRequest()
        response = await self._connection.ask(self._connection.daemon.GetDaemon, request)
        return daemonwire.daemon(response.daemon)

    async def usage(self) -> tuple[UserUsage, ...]:
        """Return what each user has of the machine: the caller alone, or all for an admin."""
        request = daemon_pb.ListUsageRequest()
        response = await self._connection.ask(self._connection.daemon.ListUsage, request)
        return tuple(map(daemonwire.usage, response.users))

    async def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a recipe, as this daemon reads it."""
        request = recipe_pb.GetRecipeSchemaRequest()
        response = await self._connection.ask(self._connection.recipes.GetRecipeSchema, request)
        told: dict[str, Any] = json.loads(response.schema_json)
        return told

    async def recipes(self) -> tuple[NamedRecipe, ...]:
        """Return the recipes that a job can be based on: `recipe: tutorial` in its file."""
        request = recipe_pb.ListRecipesRequest()
        response = await self._connection.ask(self._connection.recipes.ListRecipes, request)
        return tuple(
            NamedRecipe(
                name=each.name,
                title=each.title,
                purpose=each.purpose,
                source=each.source,
                yaml=each.yaml,
            )
            for each in response.recipes
        )

    async def drain_device(self, name: str, reason: str = "") -> Device:
        """Have a device take no more jobs until it is resumed; those on it go on.

        Args:
            name: Its id, its uuid, or at least four characters of one.
            reason: What for, shown to whoever waits.
        """
        request = device_pb.DrainDeviceRequest(device=name, reason=reason)
        response = await self._connection.ask(self._connection.devices.DrainDevice, request)
        return devicewire.device(response.device)

    async def resume_device(self, name: str) -> Device:
        """Have a drained device take jobs again."""
        request = device_pb.ResumeDeviceRequest(device=name)
        response = await self._connection.ask(self._connection.devices.ResumeDevice, request)
        return devicewire.device(response.device)
