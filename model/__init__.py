"""What will happen next: telemetry of each device goes in, the chance that a limit is reached and
its reasons come out.

`predictor.load_predictor` gives what the consumer uses; `registry` holds the model files and their
cards and needs no numpy, so that the API can read cards.
"""
