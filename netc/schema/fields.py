"""Questions to field descriptors that every protobuf version answers."""

from google.protobuf.descriptor import FieldDescriptor


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field holds a list.

    protobuf 4 and 5 know only `label`, which protobuf 6 deprecates and 7 has not.
    """
    if hasattr(field, "is_repeated"):
        return field.is_repeated
    return field.label == FieldDescriptor.LABEL_REPEATED  # pyright: ignore[reportAttributeAccessIssue]
