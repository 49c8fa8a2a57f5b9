"""The admin port: probes, metrics, the JSON API and the page.

``door.py`` is the ASGI app that hypercorn serves: it checks who asks (``checks.py``), answers probes and metrics, and
loads the Quart app (``app.py``) when the first page or API request comes: a service at which nobody looks never pays
for it (0.1 s of CPU and 7 MB). ``view.py`` says what the service must tell; ``serve.py`` puts it all on a port.
"""
