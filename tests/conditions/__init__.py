"""Conditions under any sequence of outcomes, judged by Flux's checkers and kstatus themselves."""
