# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``invenio oarepo-s3``: what the schedule does, by hand."""

import json
from collections.abc import Mapping
from typing import Any

import click
from flask.cli import with_appcontext
from invenio_files_rest.models import Location

from .proxies import current_uploads


@click.group()
def oarepo_s3() -> None:
    """Uploads that go straight to the store."""


@oarepo_s3.command()
@with_appcontext
def sweep() -> None:
    """End the uploads whose time is over."""
    show(current_uploads.sweep().as_dict())


@oarepo_s3.command()
@click.option("--dry-run", is_flag=True, help="Only report, settle nothing.")
@click.option("--s3-bucket", "s3_buckets", multiple=True, help="Look here for orphans; default: all S3 locations.")
@with_appcontext
def reconcile(dry_run: bool, s3_buckets: tuple[str, ...]) -> None:
    """Settle interrupted uploads, and report orphans at the store and among the rows."""
    show(current_uploads.reconcile(dry_run=dry_run, s3_buckets=s3_buckets or known_s3_buckets()).as_dict())


@oarepo_s3.command("check-sizes")
@click.option("--repair", is_flag=True, help="Write the recomputed sizes.")
@with_appcontext
def check_sizes(repair: bool) -> None:
    """Recompute the sizes that quotas rest on; exit 1 if some are wrong and stay so."""
    report = current_uploads.report_sizes(repair=repair)
    show(report.as_dict())
    if report.wrong > report.repaired:
        raise click.exceptions.Exit(1)


def known_s3_buckets() -> list[str]:
    """The store's buckets that are locations of this repository."""
    uris = [location.uri for location in Location.all()]
    return sorted({uri.removeprefix("s3://").partition("/")[0] for uri in uris if uri.startswith("s3://")})


def show(report: Mapping[str, Any]) -> None:
    """Print a report for people and programs alike."""
    click.echo(json.dumps(report, indent=2))
