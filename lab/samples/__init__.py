"""The applications that the demo and the tests deploy, and how their jars are built."""
