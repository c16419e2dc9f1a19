"""The OpenAPI document: schemas from the protobuf descriptors, operations, and examples."""
