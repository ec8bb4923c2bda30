"""One customer's jobs: generated, changed, ordered and shown. This folder knows no HTTP."""
