"""Failure forecasts: P(failure of a host within the horizon), with the reasons and honest about calibration.

``Forecaster`` (``forecaster.py``) is what the pipeline calls once a step. It keeps a short history of every
host (``history.py``), turns it into features (``features.py``) and asks the model in use (``failure.py``) and
the linear extrapolation of bounded resources (``trend.py``). ``labels.py`` and ``baselines.py`` serve training
and evaluation, which live in ``logsense.lifecycle``.
"""

from logsense.predict.options import ForecastOptions

__all__ = ["ForecastOptions"]
