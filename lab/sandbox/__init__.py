"""AWS and EC2 on one Linux machine: the real template, the real functions, and hosts that are machines."""
