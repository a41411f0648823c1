"""What is checked: the controller as it is, on simulated AWS services and hosts."""
