"""A model hub on the loopback interface: the part of its HTTP API that its own client uses."""
