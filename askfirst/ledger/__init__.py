"""What makes a record provable: Merkle trees, signed notes and checkpoints, which are pure, and two small files: the
keys and the manifest."""
