"""AWS and EC2 on one Linux machine: the real template, the real functions, hosts that are real machines."""
