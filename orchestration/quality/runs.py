"""What the last runs left wrong: failed runs, and failed checks of runs that went through."""

from collections.abc import Iterable

import dagster as dg

from orchestration.quality.checks import FINDINGS

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def failures(instance: dg.DagsterInstance, jobs: Iterable[str]) -> dict[str, str]:
    """Key → sentence. It is over when the job ends well, or the check passes, the next time."""
    found = [_last(instance, job) for job in jobs]
    records = [record for record in found if record]
    wrong: dict[str, str] = {}
    for record in sorted(records, key=lambda record: record.end_time or 0.0):
        run = record.dagster_run
        key = f"run|{run.job_name}"
        if run.status == dg.DagsterRunStatus.FAILURE:
            wrong[key] = (
                f"The run of {run.job_name} failed{_where(instance, run.run_id)}. Its log says what to do "
                f"(Dagster UI, run {run.run_id[:8]}); then run it again: nothing is ever half done."
            )
        _note_checks(instance, run.run_id, wrong)
    return wrong


def _last(instance: dg.DagsterInstance, job: str) -> dg.RunRecord | None:
    found = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=FINISHED), limit=1
    )
    return next(iter(found), None)


def _where(instance: dg.DagsterInstance, run_id: str) -> str:
    steps = [
        entry.dagster_event.step_key
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if entry.dagster_event
    ]
    return f" in {steps[0]}" if steps else ""


def _note_checks(
    instance: dg.DagsterInstance, run_id: str, wrong: dict[str, str]
) -> None:
    """Checks of the findings are told as findings, each by itself."""
    logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    for entry in logs:
        if entry.dagster_event is None:
            continue
        check = entry.dagster_event.asset_check_evaluation_data
        if check.asset_key == FINDINGS:
            continue
        key = f"check|{check.asset_key.to_user_string()}|{check.check_name}"
        wrong.pop(key, None)
        if not check.passed:
            wrong[key] = (
                f"{check.asset_key.to_user_string()}: the check {check.check_name} failed. {check.description or ''}"
            ).strip()
