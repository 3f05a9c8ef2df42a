"""The one form of an ECDSA signature.

Whoever holds a signature (r, s), with or without the key, can write down (r, n - s), which verifies as well: so that
nobody can make another bundle out of one, only the lower of the two counts here, in strict DER.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
"""The order n of the curve P-256 (FIPS 186-5, SP 800-186)."""


def only_form(signature: bytes) -> bytes:
    """Return the same signature with the lower s, in DER.

    Raises:
        ValueError: It is no signature in DER.
    """
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, ORDER - s))
