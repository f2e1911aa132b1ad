"""Import names that are CIDs, in few letters and in many."""

import subprocess
import sys

import pytest
from multiformats import multibase as reference

from ipvm.ipld import IDENTITY, Cid
from ipvm.linker.names import cid_of_import_name

SMALLEST_MODULE = b"\0asm\1\0\0\0"


@pytest.mark.parametrize("base", ["base64", "base58btc", "base32", "base2"])
def test_the_smallest_cid_of_code_is_recognised_in_any_base(base: str) -> None:
    cid = Cid.of(SMALLEST_MODULE, hash_code=IDENTITY)
    assert cid_of_import_name(reference.encode(bytes(cid), base)) == cid


def test_a_short_name_is_no_cid_and_costs_no_import() -> None:
    program = (
        "import sys; from ipvm.linker.names import cid_of_import_name as find; "
        "print(find('math'), find('counter'), find('ipfs://util'), 'multiformats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"None None None False\n"
