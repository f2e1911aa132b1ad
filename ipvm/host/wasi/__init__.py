"""WASI preview 1 over a file system whose folders are content-addressed."""
