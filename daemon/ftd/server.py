"""The daemon: puts its parts together, runs them, and takes them down in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from ftd import breadth, notify, soundness, statedir, tls, upkeep
from ftd import log as logs
from ftd.config import Config
from ftd.devices import inventory
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.depot import LIMIT_BYTES
from ftd.jobs.ledger import Clock
from ftd.jobs.roots import Roots
from ftd.jobs.store import Store
from ftd.jobs.store.writes import QueueLimits
from ftd.jobs.supervisor import Supervisor, utc_now
from ftd.jobs.zygote import COMMAND, Zygote
from ftd.metrics import service as metrics
from ftd.metrics.snapshot import Place
from ftd.metrics.tally import Tally
from ftd.release import version
from ftd.rpc import methods
from ftd.rpc.listener import Listener
from ftd.rpc.office import Office

log = structlog.get_logger()

OpenOffice = Callable[[Config, Store, Broadcast, Tally], AbstractAsyncContextManager[Office]]
_DATABASE = "ftd.sqlite"
Tell = Callable[..., None]


@contextlib.asynccontextmanager
async def supervisor(
    config: Config,
    store: Store,
    broadcast: Broadcast,
    tally: Tally,
    *,
    clock: Clock = utc_now,
    zygote: Sequence[str] = COMMAND,
) -> AsyncIterator[Office]:
    """Run a supervisor over this machine's devices inside the block, and tell metrics of it.

    `zygote` is the command that runs one.
    """
    devices = await asyncio.to_thread(inventory.open_inventory, config.devices)
    hand = Supervisor(
        store=store,
        broadcast=broadcast,
        zygote=Zygote(config.state_dir / "zygote.log", zygote, reserve=config.reserve),
        inventory=devices,
        state_dir=config.state_dir,
        clock=clock,
        limits=QueueLimits(
            all=config.queue_limit, per_user=config.queue_limit_per_user or config.queue_limit
        ),
        witness=tally,
        roots=Roots(config.data_roots),
        stall_s=config.stall_after,
        cache_bytes=config.cache_limit,
        dataset_limit_bytes=(LIMIT_BYTES if config.dataset_limit is None else config.dataset_limit),
    )
    settings = metrics.Settings(listen=config.metrics_listen, mapping_dir=config.dcgm_mapping_dir)
    place = Place(state_dir=config.state_dir, database=config.state_dir / _DATABASE)
    async with (
        upkeep.working(config, clock),
        hand.working(),
        metrics.working(settings, place, tally, hand, clock) as address,
    ):
        if address is not None:
            log.info("metrics_served", address=str(address))
        yield hand
    if not hand.telemetry.is_looking:  # the driver must not be closed beneath a look
        devices.close()


async def serve(config: Config, *, open_office: OpenOffice = supervisor) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second one ends the process at once.

    Raises:
        StateLocked: where another daemon holds the state directory.
        BadConfig: where this one cannot start.
    """
    os.umask(0o077)  # what lies in the state directory is for its owner, whatever its own mode
    is_text = logs.configure(config.log_format, config.log_level)
    tell = _to_a_person if is_text else _to_a_machine
    breadth.take_files()
    with statedir.held(config.state_dir), _signals(tell) as stop:
        statedir.clear_socket(config.socket)
        await asyncio.to_thread(soundness.refuse_damage, config.state_dir)
        async with await Store.open(config.state_dir / _DATABASE) as store:
            broadcast = Broadcast(store)
            tally = await _tally(config, store)
            async with open_office(config, store, broadcast, tally) as office:
                await _listen_until(stop, config, office, tally, tell)
    tell("daemon_stopped", "ftd has stopped")


async def _tally(config: Config, store: Store) -> Tally:
    """Return what counts, with what the store has counted before."""
    tally = Tally(
        opened=utc_now(),
        ended=await store.count_ended(),
        calls=methods.calls().values(),
        codes=methods.CODES,
        grace_s=config.metrics_grace,
    )
    store.on_commit = tally.on_commit
    return tally


async def _listen_until(
    stop: asyncio.Event, config: Config, office: Office, tally: Tally, tell: Tell
) -> None:
    listener = Listener(office, methods.telling(tally))
    await listener.start(config.socket)
    try:
        await _open_door(listener, config)
        breadth.collect_rarely()
        count = len(office.devices)
        read_from = f", its configuration {config.file}" if config.file else ""
        tell(
            "daemon_started",
            f"ftd {version()} listens on {config.socket} with {count} "
            f"device{'s' * (count != 1)}{_heard(config)}; "
            f"its state is in {config.state_dir}{read_from}",
            socket=str(config.socket),
            listen=config.listen or "",
            state=str(config.state_dir),
            devices=count,
            pid=os.getpid(),
            version=version(),
            config=str(config.file or ""),
        )
        notify.tell(os.environ, "READY=1", f"STATUS=listens on {config.socket}")
        await stop.wait()
        notify.tell(os.environ, "STOPPING=1", "STATUS=stops; running jobs go on")
        names = [job.name for job in office.running()]
        many = f"; these jobs go on without it: {', '.join(names)}" if names else ""
        tell("daemon_stopping", f"ftd stops{many}", jobs_that_go_on=names)
    finally:
        await listener.stop()
        # At once: from here on another daemon may take the path.
        config.socket.unlink(missing_ok=True)


async def _open_door(listener: Listener, config: Config) -> None:
    """Listen to other machines, where that is configured.

    Raises:
        BadConfig: where the certificate, its key or the address is no good.
    """
    if config.listen and config.tls_cert and config.tls_key:
        identity = await asyncio.to_thread(tls.read, config.tls_cert, config.tls_key)
        await listener.open_door(config.listen, identity)


def _heard(config: Config) -> str:
    return f", and by TLS on {config.listen}" if config.listen else ""


@contextlib.contextmanager
def _signals(tell: Tell) -> Iterator[asyncio.Event]:
    """Set the event at the first signal; force the end at the second."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            tell("daemon_forced", f"ftd is forced to end by {number.name}", signal=number.name)
            sys.stderr.flush()
            os._exit(128 + number)
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _to_a_person(_event: str, text: str, **_fields: object) -> None:
    sys.stderr.write(f"{text}\n")


def _to_a_machine(event: str, _text: str, **fields: object) -> None:
    log.info(event, **fields)
