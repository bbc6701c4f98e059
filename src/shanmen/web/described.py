"""What the API's description says of types that Litestar describes otherwise than they travel."""

from datetime import time

from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition


class LocalTimes(OpenAPISchemaPlugin):
    """A time of day travels as ``08:00:00``; Litestar would call that a duration."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether a field is a time of day."""
        return field_definition.annotation is time

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,  # noqa: ARG002 - one description for every such field
        schema_creator: object,  # noqa: ARG002 - as above
    ) -> Schema:
        """Describe it as text of that form."""
        return Schema(
            type=OpenAPIType.STRING, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
        )
