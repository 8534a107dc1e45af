"""What OpenMP must be told before torch is imported; afterwards it does not listen."""

import os


def settle() -> None:
    """Have threads that wait for each other sleep soon instead of spinning.

    By default they spin for milliseconds, which starves whoever else wants the core: the loader
    processes, another job, the thread that they wait for. MobileNetV2 in batches of 8 on 2 cores
    takes 138 ms a step by default and 148 ms so; beside one busy process 400 to 1300 and 300.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
