"""Injects faults into real hosts under load, and judges what became of the deployment and of the users.

python -m lab.chaos                 all faults: a row each, and build/chaos/summary.json
python -m lab.chaos NAME...         the faults whose names begin so
python -m lab.chaos --list          the names (a group whose faults are found during the run shows its prefix)

fault.py            what a fault is                         judgement.py  runs one fault and judges it
host_under_test.py  an application, its host and its load   runner.py     runs all faults on several hosts
fault_injector.py   changes a host's commands               calls.py      intercepts calls to AWS
faults/             the faults, one module per kind: a new fault is an entry in one of them, or a new module
"""
