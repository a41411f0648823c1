"""The program that twinslot runs on a host. docs/host.md is its contract.

The SSM agent runs it as root, with the parameters in its environment, and can kill it at any moment: each
verb is safe to be killed anywhere and to be repeated. Therefore every file is written atomically, every
fact is read from its source (systemd, /proc, nginx itself) and never remembered from an earlier step, and
a verb skips what is already done.

Python 3.9, its standard library and twinslot.shared only. host/embed.py packs these modules into one script,
which the SSM document contains. Durations are in seconds, sizes in bytes, hashes in hex.
"""
