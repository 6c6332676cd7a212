"""Train, evaluate, promote and roll back models, and the store that keeps them.

The steps are one tuple, ``run.STEPS``; ``store.ModelStore`` is the only way in and out of ``models/``.
"""
