"""gRPC on trio: HTTP/2 without I/O, a server and a client for unary calls.

One connection, sans-IO: ``frames``, ``limits``, ``events``, ``headers``, ``sending`` → ``receiving`` → ``control`` →
``http2``. What gRPC adds: ``compression``, ``status``, ``message``, ``keepalive``. Calls over a connection, sans-IO:
``server_session``, ``client_session``. Sockets and tasks: ``server``, ``client``. What a handler sees: ``service``.
"""
