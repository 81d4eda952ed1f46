"""Schemas from a folder of .avsc files, for values that name their schema by fingerprint."""

import json
from pathlib import Path

from fastavro.schema import SchemaParseException, load_schema


def load_schemas(directory: Path) -> dict[str, str]:
    """Read every schema of a folder, complete with the types of other files it refers to by name.

    Shape:  file name -> JSON text.
    Raises: ValueError that names the file at fault; OSError.
    """
    found = {}
    for path in sorted(directory.glob("*.avsc")):
        try:
            schema = load_schema(str(path))
        except (SchemaParseException, ValueError, TypeError, LookupError) as error:
            raise ValueError(f"{path.name} is no Avro schema: {error}") from error
        # The parser's own notes begin with two underscores.
        bare = (
            {key: value for key, value in schema.items() if not key.startswith("__")}
            if isinstance(schema, dict)
            else schema
        )
        found[path.name] = json.dumps(bare)
    return found
