"""Who calls: OAuth access tokens (RFC 9068) that are bound to their holder's key by DPoP (RFC 9449).

A request comes in as values (method, raw path, raw header list, time) and leaves as a verified token, or as an
`AuthError` that carries the whole answer. `authenticator` is the order of all checks on one screen; `access` decides
scope and tenant; `gate` is what an application calls.
"""
