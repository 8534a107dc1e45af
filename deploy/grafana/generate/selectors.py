"""What the variables of the dashboards choose, as selectors of PromQL."""

ON = 'instance=~"$instance"'
"""The daemons."""
OF = f'{ON}, device=~"$device"'
"""The devices."""
JOB = f'{ON}, job_id="$job_id"'
"""The job."""
