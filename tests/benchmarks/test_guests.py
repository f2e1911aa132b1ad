"""The guests compute what they say, so that a faster engine is not one that does less."""

import hashlib

import pytest
import wasmtime

from benchmarks.guests import guest


def result_of(name: str, size: int) -> float:
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, guest(name)), []).exports(store)
    function = exports["f"]
    assert isinstance(function, wasmtime.Func)
    result: float = function(store, size)
    return result


def test_fib_gives_fibonacci_numbers() -> None:
    assert [result_of("fib", n) for n in range(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]


def test_sha256_compresses_the_block_of_the_empty_message() -> None:
    word = int(result_of("sha256", 1)) % 2**32
    assert word.to_bytes(4, "big") == hashlib.sha256(b"").digest()[:4]


@pytest.mark.parametrize(("steps", "energy"), [(1, -0.169074954), (1000, -0.169087605)])
def test_nbody_keeps_the_energy_that_is_known(steps: int, energy: float) -> None:
    assert result_of("nbody", steps) == pytest.approx(energy, abs=5e-9)


def test_matmul_multiplies_matrices() -> None:
    n = 8
    a = [[(row * 128 + column) % 7 for column in range(n)] for row in range(n)]
    b = [[(row * 128 + column) % 5 for column in range(n)] for row in range(n)]
    entry = sum(a[1][k] * b[k][1] for k in range(n))
    assert result_of("matmul", n) == entry


def test_a_circular_orbit_stays_one() -> None:
    assert result_of("orbit", 10_000) == pytest.approx(1, abs=1e-3)
