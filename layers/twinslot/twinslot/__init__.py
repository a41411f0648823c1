"""twinslot's controller: handles uploads, the ends of commands, schedules and requests of people."""
