"""Pictures for the README: what people see of twinslot, photographed in a real browser during a real run."""
