"""Pictures as SVG with axes, titles and descriptions: metrics with what is usual, risk over time, reliability, and
precision against recall. Pages draw them in place, the command line writes them into files.
"""
