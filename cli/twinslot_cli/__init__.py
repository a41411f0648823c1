"""`twinslot`: the command line of people who deploy, on their own AWS credentials. It decides nothing: it
reads the stack's table, uploads to its bucket and calls its functions, as anybody may who has the rights.
"""
