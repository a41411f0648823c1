"""What chaos puts into a host. It runs there, with the host's Python and its standard library alone."""
