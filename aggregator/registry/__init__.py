"""Registrations of hosts: nodes that report with a ttl, their tokens, and the list of agents that people edit."""
