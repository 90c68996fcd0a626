"""Kubernetes operator that keeps a Backstage catalog in step with SkillMeat and says so in status."""

__version__ = "0.1.0"
