"""Set up what compiles modules, in this process and beside it, and where machine code is kept."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ipvm.engine import selftest
from ipvm.engine.artifacts import ArtifactCache, artifacts_path
from ipvm.engine.bundles import Bundles
from ipvm.engine.compiler import BySize, Cached, Compiler, InProcess
from ipvm.engine.fixed import keep_fixed_modules
from ipvm.engine.helper import Helper
from ipvm.limits import Limits

__all__ = ["opened_engine"]


@asynccontextmanager
async def opened_engine(
    *, cache: bool, limits: Limits
) -> AsyncIterator[tuple[Compiler, Bundles | None]]:
    """Give a compiler, and the programs that are kept as a whole if machine code is kept at all.

    Args:
        cache: Keep machine code for later, in `IPVM_CACHE` or the platform's cache folder.
        limits: Bounds of compiling.

    Raises:
        Refused: The installed engine is not the one that this version knows.
    """
    artifacts: ArtifactCache | None = None
    if cache:
        folder = artifacts_path(os.environ)
        artifacts = ArtifactCache(folder, bytes_max=limits.artifact_cache_bytes_max)
        keep_fixed_modules(artifacts)
    selftest.require()
    async with Helper(limits=limits) as helper:
        compiler: Compiler = BySize(small=InProcess(), large=helper)
        if artifacts is None:
            yield compiler, None
        else:
            yield Cached(compiler, artifacts), Bundles(artifacts)
