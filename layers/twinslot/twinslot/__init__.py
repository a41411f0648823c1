"""twinslot's controller: what follows from an upload, a command's end, a tick or a person's call."""
