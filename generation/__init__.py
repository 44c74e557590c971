"""Makes sound: request in, clip out. Imports no chat library."""
