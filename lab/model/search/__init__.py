"""How it is checked: the actions that can happen, the invariants, and the ways through them."""
