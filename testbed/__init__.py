"""The real parts on this machine: a Kubernetes control plane, SkillMeat, Backstage and the judge.

Tests, benchmarks and the demo start them on loopback with random ports. Installing needs nothing but
Python's standard library; starting a control plane needs the project's virtual environment.
"""
