"""One customer's jobs: generated, changed, ordered and shown. Knows no HTTP."""
