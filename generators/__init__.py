"""Agents: a machine or a simulation of one goes in, readings on a Kafka topic come out."""
