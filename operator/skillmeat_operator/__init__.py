"""Kubernetes operator that keeps a Backstage catalog in step with SkillMeat and says in status whether it is."""

__version__ = "0.1.0"
