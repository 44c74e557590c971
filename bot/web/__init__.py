"""The local web: chat page, HTTP API, clip files."""
