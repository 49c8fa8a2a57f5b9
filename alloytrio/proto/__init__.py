"""Protocol definitions, and the classes that betterproto generated from them (``gen/``, by ``scripts/generate-proto``).

The classes are for service definitions and small cold messages: decoding a request of 512 spans with them holds the
interpreter for seconds. What is hot is read with ``alloytrio/wire``.
"""
