"""Platform adapters, loaded by name from the configuration."""
