"""Kafka in, scored readings and alert events out.

What goes in: records of the telemetry topics. What comes out: rows in the store (each reading with
its prediction), alert states and events beside them, and letters for what could not be read.
The way of a batch: `source` -> `stages/` -> `sink`; `pipeline.run` is the loop.
"""
