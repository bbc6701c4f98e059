"""The command line. A command loads what it needs when it runs: a gate has no server packages."""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from msgspec import structs

from shanmen.kit import settings as kit_settings
from shanmen.kit.settings import BrokenSetting, Settings

if TYPE_CHECKING:
    from shanmen.db.session import Database, Session

R = TypeVar("R")

YOUNG_OBJECTS = 20_000
"""So many new objects are made before the collector looks through them, where batches are made."""
BEHIND_PAGES = 10
"""How far the demo's history steps back behind everything else on the machine."""


def load_settings() -> Settings:
    """The settings, or one sentence for each that is broken."""
    try:
        return kit_settings.load()
    except BrokenSetting as error:
        raise click.ClickException(str(error)) from error


def with_address(
    settings: Settings, host: str | None, port: int | None, *, tls: bool = False
) -> Settings:
    """The settings with what the command line says of the address."""
    changes = {k: v for k, v in (("host", host), ("port", port)) if v is not None}
    settings = structs.replace(settings, **changes)
    from shanmen.launch.addresses import WILDCARDS, public_address

    if not settings.public_url and (tls or settings.host in WILDCARDS):
        url = public_address(settings.host, settings.port, tls=tls)
        settings = structs.replace(settings, public_url=url)
    return settings


def with_database(work: "Callable[[Database, Settings], Awaitable[R]]") -> R:
    """Run `work` over the database of the settings; starts the embedded one if nobody has."""
    from shanmen.app import open_database
    from shanmen.db.outbox import install_subscribers
    from shanmen.kit.crypto import MasterKeys
    from shanmen.launch.supervise import CannotStart, running_database
    from shanmen.wiring import SUBSCRIBERS

    async def run_it(settings: Settings) -> R:
        install_subscribers(SUBSCRIBERS)
        masters = MasterKeys.load(settings.master_key_path, create=True)
        database = open_database(settings, masters)
        try:
            return await work(database, settings)
        finally:
            await database.close()

    try:
        with running_database(load_settings()) as settings:
            return asyncio.run(run_it(settings))
    except CannotStart as error:
        raise click.ClickException(str(error)) from error


class Commands(click.Group):
    """The commands here, and those that are loaded only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted([*super().list_commands(ctx), "gate", "sim"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name == "gate":
            from shanmen.edge.cli import gate

            return gate
        if cmd_name == "sim":
            from shanmen.sim.cli import sim

            return sim
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shanmen")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input ends.")
@click.option("--told-by-parent", is_flag=True, hidden=True, help="Hear where the database is.")
@click.pass_context
def main(ctx: click.Context, *, with_parent: bool, told_by_parent: bool) -> None:
    """Shanmen: ticketing and operations for scenic areas."""
    ctx.obj = told_by_parent
    if with_parent:
        from shanmen.launch.supervise import follow_parent

        follow_parent()


@main.command()
@click.option("--host", help="Address to listen on, instead of the setting.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, instead of the setting.")
@click.option("--demo/--no-demo", default=True, help="Make the demo scenic area at first start.")
@click.option("--tls-self-signed", is_flag=True, help="Serve HTTPS with a certificate made here.")
def run(host: str | None, port: int | None, *, demo: bool, tls_self_signed: bool) -> None:
    """Start everything on this machine: database, pages, worker, sandbox payments."""
    from shanmen.launch.everything import run_everything
    from shanmen.launch.supervise import CannotStart

    settings = with_address(load_settings(), host, port, tls=tls_self_signed)
    try:
        asyncio.run(run_everything(settings, demo=demo, tls=tls_self_signed))
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(0)


@main.command()
@click.option("--host", help="Address to listen on, instead of the setting.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, instead of the setting.")
@click.option("--tls-self-signed", is_flag=True, help="Serve HTTPS with a certificate made here.")
@click.pass_obj
def serve(told: bool, host: str | None, port: int | None, *, tls_self_signed: bool) -> None:  # noqa: FBT001 - click passes it
    """Serve the pages and the API; the database must be migrated."""
    from shanmen.launch.serve import serve_web
    from shanmen.launch.supervise import CannotStart

    try:
        settings = with_address(load_settings(), host, port, tls=tls_self_signed)
        serve_web(settings, tls=tls_self_signed, told=told)
    except CannotStart as error:
        raise click.ClickException(str(error)) from error


@main.command()
def worker() -> None:
    """Work on jobs and sweeps: refunds, lapsed holds, slots of coming days."""
    from shanmen.launch.serve import work

    work(load_settings())


@main.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    from shanmen.db.migrate import upgrade
    from shanmen.launch.supervise import CannotStart, running_database

    try:
        with running_database(load_settings()) as settings:
            upgrade(settings.database_url, app_role=settings.app_role)
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
    click.echo("The database is up to date.")


@main.command("settings")
def show_settings() -> None:
    """Print every setting, its value now, and what it does."""
    settings = load_settings()
    for item in kit_settings.describe():
        value = kit_settings.shown(item.name, getattr(settings, item.name))
        click.echo(f"{item.env}={value}\n    {item.doc}")


@main.group("stand-in")
def stand_in() -> None:
    """Stand-ins for services of others, to rehearse with."""


@stand_in.command("pay")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Port, instead of the setting.")
@click.option("--public-url", help="Where visitors reach the pay page, if it is elsewhere.")
@click.option(
    "--trust",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A certificate that the server may answer callbacks under.",
)
def stand_in_pay(host: str, port: int | None, public_url: str | None, trust: Path | None) -> None:
    """Serve the sandbox payment provider. No real money is moved."""
    from shanmen.payments.standin.__main__ import serve as serve_standin
    from shanmen.payments.standin.app import create_app
    from shanmen.payments.standin.store import AlreadyRunning

    settings = load_settings()
    try:
        app = create_app(settings.data_dir, public_url=public_url, trust=trust)
    except AlreadyRunning as error:
        raise click.ClickException(str(error)) from error
    asyncio.run(
        serve_standin(app, host=host, port=port or settings.sandbox_pay_port, with_parent=False)
    )


@main.group()
def operator() -> None:
    """Operators of scenic areas: each has its own data, staff and sites."""


@operator.command("add")
@click.argument("code")
@click.option("--name", required=True, help="The operator's name in Chinese.")
@click.option("--name-en", default="", help="Its name in English.")
@click.option("--login", default="admin", show_default=True, help="The first administrator.")
@click.option("--person", default="", help="The administrator's name; the login without it.")
@click.password_option(help="The administrator's password; asked for without it.")
def operator_add(  # noqa: PLR0917 - click passes options by name
    code: str, name: str, name_en: str, login: str, person: str, password: str
) -> None:
    """Make an operator with its first administrator, who signs in as LOGIN@CODE."""
    from shanmen.db.session import Actor
    from shanmen.kit.errors import DomainError
    from shanmen.sites.passwords import Passwords
    from shanmen.sites.rules import check_password
    from shanmen.sites.service.tenants import create_tenant
    from shanmen.web.i18n import error_text

    names = {"zh-CN": name} | ({"en": name_en} if name_en else {})

    async def work(database: "Database", _: Settings) -> None:
        check_password(password, login=login)
        await database.unit(None, actor=Actor("system", label="command line"))(
            create_tenant,
            code=code,
            name=names,
            admin_login=login,
            admin_name=person or login,
            admin_password_hash=Passwords().hash_now(password),
        )

    try:
        with_database(work)
    except DomainError as error:
        raise click.ClickException(error_text("en", error)[0]) from error
    click.echo(f"Made. Sign in at /console as {login}@{code}, then add a site.")


@main.group()
def keys() -> None:
    """Master keys, which protect the keys of all operators."""


@keys.command("new")
@click.argument("key_id")
def keys_new(key_id: str) -> None:
    """Add a master key called KEY_ID to the file; the old ones stay until they are not needed."""
    from shanmen.kit.crypto import BrokenMasterKey, append_master_key

    path = load_settings().master_key_path
    try:
        append_master_key(path, key_id)
    except (BrokenMasterKey, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"Added to {path}. Copy the file to every machine and into the backup, restart all "
        "processes, then run `shanmen keys rewrap`."
    )


@keys.command("rewrap")
def keys_rewrap() -> None:
    """Wrap every operator's key under the newest master key, the last one of the file."""
    from shanmen.db.keys import rewrap
    from shanmen.kit.crypto import CannotDecrypt, MasterKeys

    async def work(database: "Database", settings: Settings) -> tuple[int, MasterKeys]:
        masters = MasterKeys.load(settings.master_key_path)
        return await database.unit(None)(rewrap, masters=masters), masters

    try:
        changed, masters = with_database(work)
    except CannotDecrypt as error:
        raise click.ClickException(
            "An operator's key is wrapped under a master key that is not in the file. "
            "Nothing was changed."
        ) from error
    click.echo(f"{changed} wrapped anew; all are now under {masters.current.id}.")
    if old := ", ".join(masters.ids[:-1]):
        click.echo(f"Not needed any more, except for older backups of the database: {old}.")


@main.group()
def demo() -> None:
    """The demo scenic area."""


@demo.command("history")
@click.option(
    "--orders",
    default=100_000,
    show_default=True,
    type=click.IntRange(1, 2_000_000),
    help="How many past orders.",
)
@click.option("--seed", default=1, show_default=True, help="Another seed is another history.")
@click.option(
    "--days",
    default=365,
    show_default=True,
    type=click.IntRange(1, 365),
    help="Over how many past days.",
)
def demo_history(orders: int, seed: int, days: int) -> None:
    """Fill the past year with orders and admissions; goes on where it was interrupted."""
    # First of all, since what follows takes the processor for a second while it is loaded.
    os.nice(BEHIND_PAGES)

    from rich.console import Console

    from shanmen.demo.history import fill
    from shanmen.demo.progress import Progress

    # What is loaded stays; and a batch makes thousands of objects, none of them in a cycle.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)

    async def work(database: "Database", settings: Settings) -> None:
        progress = Progress(folder=settings.data_dir, console=Console(stderr=True))
        await fill(database, orders=orders, seed=seed, days=days, progress=progress)

    with_database(work)


@main.group()
def audit() -> None:
    """Recompute what the counters say, independently."""


@audit.command("ledger")
def audit_ledger() -> None:
    """Check that every account agrees with its transfers; exit status 1 when one does not."""
    from shanmen.ledger.service import differences

    report_differences(differences, sound="All accounts agree with their transfers.")


@audit.command("stock")
def audit_stock() -> None:
    """Count all places anew from orders and tickets; exit status 1 where a counter disagrees."""
    from shanmen.insight.stock_audit import differences

    report_differences(differences, sound="All counters agree with orders and tickets.")


def report_differences(
    differences: "Callable[[Session], Awaitable[Sequence[object]]]", *, sound: str
) -> None:
    """Print the differences of every tenant; the program ends with status 1 if there are any."""
    from shanmen.worker import all_tenants

    async def check(database: "Database", _: Settings) -> int:
        found = 0
        for tenant_id in await database.unit(None)(all_tenants):
            for difference in await database.unit(tenant_id)(differences):
                found += 1
                click.echo(f"tenant {tenant_id}: {difference}")
        return found

    found = with_database(check)
    click.echo(f"{found} differ." if found else sound)
    sys.exit(1 if found else 0)
