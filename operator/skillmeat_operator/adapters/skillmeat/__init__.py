"""The SkillMeat server, as far as it is read."""
