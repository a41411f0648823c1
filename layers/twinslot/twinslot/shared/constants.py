"""Values that the controller, the host program and the command line must agree on."""

VERSION = "0.1.0"
"""The version of twinslot. Items, reports, slot files and announcements carry it as `written_by`."""

PORTS = {"blue": 8081, "green": 8082}
"""The two slots of a host and the ports that their processes listen on."""
