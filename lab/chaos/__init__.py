"""What goes wrong on a tool's worst day, done on purpose on real hosts under load, and judged.

python -m lab.chaos                 every fault; a row each, and build/chaos/summary.json
python -m lab.chaos NAME...         those faults, or all whose names begin so
python -m lab.chaos --list          their names (steps and calls to cut are only known while it runs)

fault.py      what a fault is and what must hold      judgement.py  one fault, run and judged
station.py    an application, its host and its load   runner.py     all faults, on several stations at once
intruder.py   into a host's commands                  calls.py      between the functions and AWS
faults/       the faults, by what they hit
"""
