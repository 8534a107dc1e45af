"""What nets are made of, drawn by the daemon's engine."""

import json
from collections.abc import Mapping
from typing import Any

from finetuned.v1 import blueprint_service_pb2 as pb
from ftctl._async.connection import AsyncConnection
from ftctl.blueprints import Blueprint
from ftctl.errors import BadInput, InvalidJob
from ftctl.source import JobSource, job_file

# A second or two; beside training on every core it may take a minute.
DEADLINE_S = 300.0


class AsyncBlueprints:
    """The part of a client that is about what nets are made of."""

    _connection: AsyncConnection

    async def model(
        self,
        source: JobSource | None = None,
        *,
        job: str = "",
        overrides: Mapping[str, Any] | None = None,
    ) -> Blueprint:
        """Return the net of a job file, or of a job: its modules, their shapes and costs.

        Needs neither images nor weights; what is not known stands in its `notes`.

        Args:
            source: What would be submitted.
            job: Id, prefix of an id, or name of a job that was, instead.
            overrides: Field paths of the file and what they shall be instead.

        Raises:
            BadJobFile, InvalidJob: where there is no such net, or its selectors match nothing.
        """
        if (source is None) == (not job):
            raise BadInput("say whose net: either a job file or a job")
        connection = self._connection
        if source is None:
            request = pb.DrawBlueprintRequest(job=job)
            answer = await connection.ask(
                connection.blueprints.DrawBlueprint, request, deadline_s=DEADLINE_S
            )
            return Blueprint(json.loads(answer.blueprint_json))
        file = job_file(source, overrides)
        if file.faults:
            raise InvalidJob(file.faults)
        request = pb.DrawBlueprintRequest(recipe_json=file.request.recipe_json)
        try:
            answer = await connection.ask(
                connection.blueprints.DrawBlueprint, request, deadline_s=DEADLINE_S
            )
        except InvalidJob as error:
            raise InvalidJob(file.located(error.faults)) from None
        return Blueprint(json.loads(answer.blueprint_json))
