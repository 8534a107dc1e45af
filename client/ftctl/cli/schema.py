"""Print the JSON Schema of a job file, as the daemon reads it, for editors."""

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from ftctl import jobschema
from ftctl.cli import codes, reach

EPILOG = """\
With yaml-language-server, which most editors use for YAML, write the schema beside
the job files

  ftctl schema > job.schema.json

and let each job file begin with

  # yaml-language-server: $schema=job.schema.json

The editor then completes keys, shows what they mean, and marks what is wrong.
"""


def configure(parser: ArgumentParser) -> None:
    """Say how it is used; the verb takes nothing."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        schema = jobschema.whole(await client.schema())
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return codes.DONE
