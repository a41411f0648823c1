"""Rules that the controller and the host program share: standard library only, Python 3.9.

host/embed.py packs this package into the host document.
"""
