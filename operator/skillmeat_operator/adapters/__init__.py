"""I/O towards SkillMeat, Backstage and Kubernetes."""
