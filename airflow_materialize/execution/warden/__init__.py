"""The process between the worker and what it runs.

`warden.keeper` runs by itself, on the worker's interpreter, without `site` and without a package around `warden`: these
modules import each other relatively, and of the standard library only what starts in a moment.
"""
