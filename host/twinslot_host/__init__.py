"""What twinslot runs on a host: provision, stage, flip, bake and report. docs/host.md is its contract.

The SSM agent runs it as root, with the parameters in its environment, and may kill it at any moment:
whatever a verb does is safe to be cut anywhere and done again. Therefore every file is placed by rename,
every fact is read from where it is true (systemd, /proc, nginx itself) and never remembered across a step,
and what a verb would do is skipped when it is done already.

Python 3.9 and its standard library only. `host/embed.py` packs these modules into one script, which is what
the SSM document carries. Durations are seconds, sizes bytes, hashes hex.
"""
