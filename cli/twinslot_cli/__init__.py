"""The command line `twinslot`, which works with the user's own AWS credentials.

It makes no decisions: it reads the stack's table, uploads to its bucket and invokes its functions.
"""
