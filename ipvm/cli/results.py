"""Write the result of a call, by the types that the signature promises.

What is written does not depend on where it goes, but for characters that do not print, which are
escaped on a terminal. One result of type `string` or `link` is its text, so that the shell can use
it; anything else is DAG-JSON, and what DAG-JSON cannot say, a float that is not finite, is a word
that is an argument again.
"""

import math

from ipvm.cli.output import Output
from ipvm.errors import InvalidData
from ipvm.ipld import DAG_CBOR, Cid, InvalidEncoding, Value, encode
from ipvm.model import Signature, to_result

__all__ = ["write_raw", "write_result"]


def write_result(output: Output, signature: Signature, value: Value) -> None:
    """Write a result to standard output, a line for a person or a script.

    Raises:
        InvalidData: DAG-JSON cannot say it.
    """
    match signature.results, value:
        case (), _:
            return
        case ("string",), str():
            output.text(value)
        case ("link",), Cid():
            output.text(str(value))
        case (_,), float() if not math.isfinite(value):
            output.text(str(to_result(signature, value)))
        case _:
            _write_json(output, to_result(signature, value))


def _write_json(output: Output, value: Value) -> None:
    try:
        output.value(value)
    except InvalidEncoding as error:
        raise InvalidData(f"the result is {error}; --raw writes it as DAG-CBOR") from error


def write_raw(output: Output, signature: Signature, value: Value) -> None:
    """Write a result to standard output as it is: bytes and text alone, the rest as DAG-CBOR."""
    match signature.results, value:
        case ((), _) | (("bytes" | "string" | "link",), None):
            return
        case ("bytes",), bytes():
            output.payload(value)
        case ("string",), str():
            output.payload(value.encode())
        case ("link",), Cid():
            output.payload(str(value).encode())
        case _:
            output.payload(encode(to_result(signature, value), DAG_CBOR))
