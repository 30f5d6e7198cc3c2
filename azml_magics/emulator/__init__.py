"""An Azure Machine Learning service on this machine, for work without an account. Not a sandbox: it executes code."""
