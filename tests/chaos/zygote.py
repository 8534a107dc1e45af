"""The zygote of a machine of chaos: the real one, with the machine's boot and clock."""

from fttrain import zygote
from tests.chaos import seams

if __name__ == "__main__":
    seams.apply()
    zygote.main()
