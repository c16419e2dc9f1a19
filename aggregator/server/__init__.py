"""HTTP and gRPC: both hand out the bytes of the same snapshot, to whoever may have them."""
