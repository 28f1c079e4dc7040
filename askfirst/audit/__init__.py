"""What a reviewer does with an output directory: verify that it is whole, prove one record, derive decisions again,
find what is sought. It reads; it never writes into the directory."""
