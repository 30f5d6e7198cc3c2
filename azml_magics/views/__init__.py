"""What a person looks at in a notebook: live views and the static faces they leave behind.

Importing this package imports no widget library; `monitor` does, and only who shows one imports it. Nothing here
knows IPython: the kernel's side comes in as a `stage.Stage`.
"""
