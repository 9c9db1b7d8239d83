"""Published pages: notebooks opened in a browser, without code in sight and with the viewer's own rights.

``python -m dashboards.desk`` serves them below ``/services/desk/``. To add a page:

1. Write ``pages/<name>.py`` as py:percent notebook text. Its last expression is a widget; it only draws.
2. Add a widget to ``widgets.py``, with ``static/<name>.js`` and ``static/<name>.css`` beside it. Fetch with the paths
   of ``broker.py``: the page process adds the viewer's token, so neither the notebook nor the browser's script has one.
3. The page is at ``/services/desk/<name>`` after a restart; a warm kernel of it waits in the pool.

What a kernel may do: draw. It has no network, no token and no secret; it runs in :mod:`kernel_lib.sandbox` where the
machine can isolate. A synced trait is the viewer's input: never decide a right on one.
"""
