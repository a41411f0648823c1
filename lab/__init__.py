"""AWS, hosts and users on one machine: the sandbox, and what is run and measured on it."""
